"""The stages of a namespace with the objects under their keys, and how a stage is deleted.

What may be deleted is not decided here. A deletion can end at any moment. So the manifest of a
stage is deleted first: a stage that lacks parts never has a manifest. What remains of such a stage
is unfinished work, which the next deletion finds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from isheep.store.interface import ObjectInfo, ObjectStore
from isheep.store.manifest import MANIFEST_NAME
from isheep.store.work import all_work, work_folder

KEY = re.compile(r"[0-9a-f]{64}")
"""The key of a stage, a SHA-256."""
KEY_IN_TEXT = re.compile(KEY.pattern.encode())
"""A key in any place of a document."""


@dataclass(frozen=True, slots=True)
class StoredStage:
    """The objects under the key of a stage: its output, and the work until its commit.

    `newest` is the time of its newest object, in seconds since the epoch.
    """

    key: str
    committed: bool
    bytes: int
    newest: float


def stored_stages(store: ObjectStore, namespace: str) -> list[StoredStage]:
    """Return the stages of a namespace, committed or not, sorted by key; lists their objects once.

    Folders whose names are no keys are left out, because isheep did not make them.
    """
    found: dict[str, list[ObjectInfo]] = {}
    for prefix in (_all_stages(namespace), all_work(namespace)):
        for info in store.list(prefix):
            key, inside, _ = info.key.removeprefix(prefix).partition("/")
            if inside and KEY.fullmatch(key):
                found.setdefault(key, []).append(info)
    return [_stage(namespace, key, objects) for key, objects in sorted(found.items())]


def stored_stage(store: ObjectStore, namespace: str, key: str) -> StoredStage:
    """Return the stage with a key as it is now."""
    return _stage(namespace, key, _objects(store, namespace, key))


def delete_stage(store: ObjectStore, namespace: str, key: str) -> None:
    """Delete the objects under the key of a stage, its manifest first."""
    manifest = _manifest(namespace, key)
    names = [info.key for info in _objects(store, namespace, key)]
    for name in sorted(names, key=lambda name: name != manifest):
        store.delete(name)


def _objects(store: ObjectStore, namespace: str, key: str) -> list[ObjectInfo]:
    prefixes = (f"{_all_stages(namespace)}{key}/", work_folder(namespace, key))
    return [info for prefix in prefixes for info in store.list(prefix)]


def _stage(namespace: str, key: str, objects: list[ObjectInfo]) -> StoredStage:
    manifest = _manifest(namespace, key)
    return StoredStage(
        key=key,
        committed=any(info.key == manifest for info in objects),
        bytes=sum(info.size for info in objects),
        newest=max((info.modified for info in objects), default=0.0),
    )


def _all_stages(namespace: str) -> str:
    return f"{namespace}/stages/"


def _manifest(namespace: str, key: str) -> str:
    return f"{_all_stages(namespace)}{key}/{MANIFEST_NAME}"
