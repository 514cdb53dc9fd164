"""The checkpoints of an unfinished training. The newest two are kept.

    attempt-<a>/step-<n>/<file> …
    attempt-<a>/step-<n>/manifest.json     written last

in the `work_folder` of the training. Earlier versions wrote `step-<n>/…`; it counts as attempt 0.

A checkpoint without a manifest does not exist. Unlike a stage, a checkpoint may be written again,
because a killed trainer may leave an incomplete one. A training that cannot resume (another world
size, other versions) calls `delete` before it starts from the beginning, because the checkpoints
with the highest steps are kept.

An attempt resumes from the newest complete checkpoint of all attempts, and writes under its own
number. So a pod that was lost with its node, and comes back while the next attempt trains, writes
into none of the checkpoints of that attempt. It deletes none of them either, because an attempt
deletes only checkpoints of its own and of earlier attempts. What it writes is a checkpoint of the
same training, like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from isheep.store.artifacts import removal_command
from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError
from isheep.store.local_files import explained, sha256_of
from isheep.store.manifest import MANIFEST_NAME, CheckpointManifest, FileInfo, decode, encode
from isheep.store.work import work_folder

_KEPT = 2
_FILE = re.compile(r"(?:attempt-(\d+)/)?step-(\d+)/(.+)")


class Place(NamedTuple):
    """A checkpoint, complete or not. A larger place is newer: a higher step, or a later attempt."""

    step: int
    attempt: int

    @property
    def folder(self) -> str:
        """The folder of the checkpoint in the work of its training; it ends with a slash."""
        attempt = f"attempt-{self.attempt}/" if self.attempt else ""
        return f"{attempt}step-{self.step}/"


class CheckpointStore:
    """The checkpoints of the trainings of one namespace, for an attempt, which has a number."""

    def __init__(self, store: ObjectStore, namespace: str, *, attempt: int) -> None:
        self._store = store
        self._folder = partial(work_folder, namespace)
        self._attempt = attempt

    def save(self, key: str, step: int, folder: Path, context: Mapping[str, Any]) -> None:
        """Store every file under `folder` as the checkpoint of a step; keep the newest two.

        `context` (world size, versions) contains JSON values. A trainer compares it before it
        resumes.
        """
        place = Place(step, self._attempt)
        self._delete_place(key, place)
        files = []
        with explained(f"reading {folder}"):
            paths = sorted(path for path in folder.rglob("*") if path.is_file())
            for path in paths:
                name = path.relative_to(folder).as_posix()
                files.append(FileInfo(name=name, sha256=sha256_of(path), bytes=path.stat().st_size))
                self._store.put(self._at(key, place, name), path)
        manifest = CheckpointManifest(step=step, files=tuple(files), context=dict(context))
        self._store.put(self._at(key, place, MANIFEST_NAME), encode(manifest))
        self._prune(key)

    def steps(self, key: str) -> list[int]:
        """Return the steps of the complete checkpoints of all attempts, newest first."""
        return sorted({place.step for place in self._complete(key)}, reverse=True)

    def manifest(self, key: str, step: int) -> CheckpointManifest:
        """Return the manifest of the newest complete checkpoint of a step.

        Raises:
            NoSuchKeyError: The checkpoint does not exist or is incomplete.
            StoreCorruptError: The manifest is damaged.
        """
        return self._manifest(key, self._places(key, step)[0])

    def restore(self, key: str, step: int, folder: Path) -> CheckpointManifest:
        """Copy a checkpoint's files into `folder` and return its manifest.

        If several attempts have stored this step, it is the newest one that is not damaged.

        Raises:
            NoSuchKeyError: The checkpoint does not exist or is incomplete.
            StoreCorruptError: A file is missing or damaged. The caller must not use the folder's
                content and should try the next older step.
        """
        *newer, oldest = self._places(key, step)
        for place in newer:
            try:
                return self._restore(key, place, folder)
            except (NoSuchKeyError, StoreCorruptError):
                continue
        return self._restore(key, oldest, folder)

    def delete(self, key: str) -> None:
        """Delete every checkpoint of a training, complete or not, for example after its commit."""
        for place in self._found(key):
            self._delete_place(key, place)

    def _at(self, key: str, place: Place, name: str) -> str:
        return f"{self._folder(key)}{place.folder}{name}"

    def _places(self, key: str, step: int) -> list[Place]:
        """Return the complete checkpoints of a step, the newest first; at least one place."""
        places = sorted((p for p in self._complete(key) if p.step == step), reverse=True)
        return places or [Place(step, self._attempt)]

    def _manifest(self, key: str, place: Place) -> CheckpointManifest:
        path = self._at(key, place, MANIFEST_NAME)
        return decode(
            CheckpointManifest,
            self._store.get(path),
            f"{path} in {self._store.uri}",
            self._remedy(key, place),
        )

    def _restore(self, key: str, place: Place, folder: Path) -> CheckpointManifest:
        manifest = self._manifest(key, place)
        for info in manifest.files:
            path = folder / info.name
            source = self._at(key, place, info.name)
            try:
                self._store.download(source, path)
            except NoSuchKeyError:
                raise StoreCorruptError(
                    f"{source} is missing in {self._store.uri}. {self._remedy(key, place)}"
                ) from None
            with explained(f"reading {path}"):
                found = sha256_of(path)
            if found != info.sha256:
                raise StoreCorruptError(
                    f"{source} in {self._store.uri} is damaged: its SHA-256 is {found}, but its "
                    f"manifest lists {info.sha256}. {self._remedy(key, place)}"
                )
        return manifest

    def _remedy(self, key: str, place: Place) -> str:
        folder = self._at(key, place, "").rstrip("/")
        command = removal_command(self._store.uri, folder)
        return f"Delete that checkpoint and run again: {command}"

    def _complete(self, key: str) -> list[Place]:
        return [place for place, names in self._found(key).items() if MANIFEST_NAME in names]

    def _found(self, key: str) -> dict[Place, set[str]]:
        """Return the checkpoints that exist, complete or not, with the names of their files."""
        prefix = self._folder(key)
        found: dict[Place, set[str]] = {}
        for info in self._store.list(prefix):
            match = _FILE.fullmatch(info.key.removeprefix(prefix))
            if match:
                place = Place(step=int(match[2]), attempt=int(match[1] or 0))
                found.setdefault(place, set()).add(match[3])
        return found

    def _prune(self, key: str) -> None:
        """Delete what is older than the newest two complete checkpoints, incomplete ones included.

        Checkpoints of later attempts stay.
        """
        kept = sorted(self._complete(key), reverse=True)[:_KEPT]
        for place in self._found(key):
            if place < min(kept) and place.attempt <= self._attempt:
                self._delete_place(key, place)

    def _delete_place(self, key: str, place: Place) -> None:
        """Delete a checkpoint. The manifest goes first, so no incomplete checkpoint has one."""
        prefix = self._at(key, place, "")
        names = {info.key.removeprefix(prefix) for info in self._store.list(prefix)}
        for name in sorted(names, key=lambda name: (name != MANIFEST_NAME, name)):
            self._store.delete(prefix + name)
