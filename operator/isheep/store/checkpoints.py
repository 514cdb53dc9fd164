"""The checkpoints of an unfinished training. The newest two are kept.

    step-<n>/<file> …
    step-<n>/manifest.json     written last

in the `work_folder` of the training.

A checkpoint without a manifest does not exist. Unlike a stage, a checkpoint may be written again,
because a killed trainer may leave an incomplete one. A training that cannot resume (another world
size, other versions) calls `delete` before it starts from the beginning, because the checkpoints
with the highest steps are kept. Two trainings do not have the same key at the same time. If a lost
trainer still writes, a mixed checkpoint does not match its digests when it is restored, and the
trainer uses the next older checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from isheep.store.artifacts import removal_command
from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError
from isheep.store.local_files import explained, sha256_of
from isheep.store.manifest import MANIFEST_NAME, CheckpointManifest, FileInfo, decode, encode
from isheep.store.work import work_folder

_KEPT = 2
_STEP = re.compile(r"step-(\d+)/(.+)")


class CheckpointStore:
    """The checkpoints of the trainings of one namespace."""

    def __init__(self, store: ObjectStore, namespace: str) -> None:
        self._store = store
        self._folder = partial(work_folder, namespace)

    def save(self, key: str, step: int, folder: Path, context: Mapping[str, Any]) -> None:
        """Store every file under `folder` as the checkpoint of a step; keep the newest two.

        `context` (world size, versions) contains JSON values. A trainer compares it before it
        resumes.
        """
        self._delete_step(key, step)
        files = []
        with explained(f"reading {folder}"):
            paths = sorted(path for path in folder.rglob("*") if path.is_file())
            for path in paths:
                name = path.relative_to(folder).as_posix()
                files.append(FileInfo(name=name, sha256=sha256_of(path), bytes=path.stat().st_size))
                self._store.put(self._at(key, step, name), path)
        manifest = CheckpointManifest(step=step, files=tuple(files), context=dict(context))
        self._store.put(self._at(key, step, MANIFEST_NAME), encode(manifest))
        self._prune(key)

    def steps(self, key: str) -> list[int]:
        """Return the steps of the complete checkpoints, newest first."""
        return sorted(
            (step for step, names in self._found(key).items() if MANIFEST_NAME in names),
            reverse=True,
        )

    def manifest(self, key: str, step: int) -> CheckpointManifest:
        """Return a complete checkpoint's manifest.

        Raises:
            NoSuchKeyError: The checkpoint does not exist or is incomplete.
            StoreCorruptError: The manifest is damaged.
        """
        place = self._at(key, step, MANIFEST_NAME)
        return decode(
            CheckpointManifest,
            self._store.get(place),
            f"{place} in {self._store.uri}",
            self._remedy(key, step),
        )

    def restore(self, key: str, step: int, folder: Path) -> CheckpointManifest:
        """Copy a checkpoint's files into `folder` and return its manifest.

        Raises:
            NoSuchKeyError: The checkpoint does not exist or is incomplete.
            StoreCorruptError: A file is missing or damaged. The caller must not use the folder's
                content and should try the next older step.
        """
        manifest = self.manifest(key, step)
        for info in manifest.files:
            path = folder / info.name
            place = self._at(key, step, info.name)
            try:
                self._store.download(place, path)
            except NoSuchKeyError:
                raise StoreCorruptError(
                    f"{place} is missing in {self._store.uri}. {self._remedy(key, step)}"
                ) from None
            with explained(f"reading {path}"):
                found = sha256_of(path)
            if found != info.sha256:
                raise StoreCorruptError(
                    f"{place} in {self._store.uri} is damaged: its SHA-256 is {found}, but its "
                    f"manifest lists {info.sha256}. {self._remedy(key, step)}"
                )
        return manifest

    def delete(self, key: str) -> None:
        """Delete every checkpoint of a training, complete or not, for example after its commit."""
        for step in self._found(key):
            self._delete_step(key, step)

    def _at(self, key: str, step: int, name: str) -> str:
        return f"{self._folder(key)}step-{step}/{name}"

    def _remedy(self, key: str, step: int) -> str:
        command = removal_command(self._store.uri, f"{self._folder(key)}step-{step}")
        return f"Delete that checkpoint and run again: {command}"

    def _found(self, key: str) -> dict[int, set[str]]:
        prefix = self._folder(key)
        found: dict[int, set[str]] = {}
        for info in self._store.list(prefix):
            match = _STEP.fullmatch(info.key.removeprefix(prefix))
            if match:
                found.setdefault(int(match[1]), set()).add(match[2])
        return found

    def _prune(self, key: str) -> None:
        """Delete all steps older than the newest two complete ones, incomplete steps included."""
        kept = self.steps(key)[:_KEPT]
        for step in self._found(key):
            if step < min(kept):
                self._delete_step(key, step)

    def _delete_step(self, key: str, step: int) -> None:
        """Delete a checkpoint. The manifest goes first, so no incomplete checkpoint has one."""
        prefix = self._at(key, step, "")
        names = {info.key.removeprefix(prefix) for info in self._store.list(prefix)}
        for name in sorted(names, key=lambda name: (name != MANIFEST_NAME, name)):
            self._store.delete(prefix + name)
