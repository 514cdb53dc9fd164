"""The object store as a folder of plain files.

One atomic operation on the object's name publishes an object. So exactly one of several writers
succeeds, and a kill at any moment leaves no incomplete object:

- An object without metadata is a file. With `if_absent` a hard link gives it its name, which fails
  if the name exists; otherwise a rename does.
- An object with metadata is two files, one with the content and one with the metadata, under a
  unique name in the folder `.objects` next to the key. The key is a relative symbolic link to the
  content. The creation of the link publishes both files at once, so the metadata always belongs to
  the content, even if several writers race. A metadata file under a fixed name cannot guarantee
  that. A copy of the folder that keeps links keeps the metadata, too.

In both cases `part-00000.jsonl.zst` is a path that any program can read. No listing shows the files
that a killed writer leaves in `.objects`. The first write of a process into a folder deletes such
files if they are one day old and belong to no key.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from isheep.store.interface import (
    PRIVATE_SEGMENT,
    NoSuchKeyError,
    ObjectInfo,
    PutOutcome,
    StoreConditionError,
    StoreCorruptError,
    StoreError,
    check_key,
    check_metadata,
    check_prefix,
)
from isheep.store.local_files import explained, replacing, sync
from isheep.store.probe import probe_conditions

_METADATA_SUFFIX = ".metadata.json"
_LINK_SUFFIX = ".link"
_STALE_SECONDS = 24 * 3600.0
_COPY_BYTES = 1 << 20
# Another process may overwrite an object between two system calls of a reader, and a `delete` may
# remove the new folder of a writer. Both then try again. More failures than this are not a race.
_TRIES = 20
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class FolderStore:
    """Objects as files under a root folder, which the first write creates."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._root = root.absolute()
        self._clock = clock
        self._cleaned: set[Path] = set()

    def __repr__(self) -> str:
        return f"FolderStore({self.uri!r})"

    @property
    def uri(self) -> str:
        """The root as an absolute path."""
        return str(self._root)

    def put(
        self,
        key: str,
        body: bytes | Path,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> PutOutcome:
        """See `ObjectStore.put`."""
        target = self._root / check_key(key)
        described = check_metadata(metadata)
        with explained(f"writing {key} in {self._root}"):
            if target.is_dir():
                raise StoreError(f"{key} in {self._root} is a folder, so it cannot be an object")
            if if_absent and os.path.lexists(target):
                return PutOutcome.EXISTED
            self._clean_once(target.parent)
            staged = _staged_path(target)
            try:
                _write_staged(staged, body, described)
                if if_absent:
                    return _publish_if_absent(staged, target, linked=bool(described))
                _publish(staged, target, linked=bool(described))
                return PutOutcome.WRITTEN
            finally:
                if _version_of(target) != staged:
                    _remove_version(staged)

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        with self.open(key) as stream, explained(f"reading {key} in {self._root}"):
            return stream.read()

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        path = self._root / check_key(key)
        with explained(f"reading {key} in {self._root}"):
            for _ in range(_TRIES):
                try:
                    return path.open("rb")
                except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    if not os.path.lexists(path) or path.is_dir():
                        raise NoSuchKeyError(f"{key} does not exist in {self._root}") from None
        raise self._dangling(key)

    def download(self, key: str, path: Path) -> None:
        """See `ObjectStore.download`."""
        with (
            self.open(key) as source,
            explained(f"copying {key} to {path}"),
            replacing(path) as temporary,
            temporary.open("xb") as copy,
        ):
            shutil.copyfileobj(source, copy, _COPY_BYTES)

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        path = self._root / check_key(key)
        with explained(f"inspecting {key} in {self._root}"):
            for _ in range(_TRIES):
                version = _version_of(path)
                try:
                    found = (version or path).stat()
                    metadata = {} if version is None else _read_metadata(version)
                except (FileNotFoundError, NotADirectoryError):
                    if not os.path.lexists(path):
                        return None
                    continue
                if stat.S_ISDIR(found.st_mode):
                    return None
                return ObjectInfo(key, found.st_size, found.st_mtime, metadata)
        raise self._dangling(key)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`. Empty parent folders are deleted, too."""
        path = self._root / check_key(key)
        with explained(f"deleting {key} in {self._root}"):
            version = _version_of(path)
            try:
                path.unlink(missing_ok=True)
            except NotADirectoryError:
                return
            if version is not None:
                _remove_version(version)
        with suppress(OSError):
            (path.parent / PRIVATE_SEGMENT).rmdir()
        with suppress(OSError):
            for folder in path.parents:
                if folder == self._root:
                    break
                folder.rmdir()

    def local_path(self, key: str) -> Path | None:
        """See `ObjectStore.local_path`."""
        path = self._root / check_key(key)
        return path if path.is_file() else None

    def probe(self) -> None:
        """See `ObjectStore.probe`. Checks hard and symbolic links, too."""
        probe_conditions(
            self,
            remedy="Put the store on a local disk or a file system with hard and symbolic links.",
        )

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        folder, _, beginning = check_prefix(prefix).rpartition("/")
        with explained(f"listing {prefix or 'everything'} in {self._root}"):
            yield from self._walk(folder, beginning)

    def _walk(self, folder: str, beginning: str) -> Iterator[ObjectInfo]:
        try:
            with os.scandir(self._root / folder) as entries:
                found = sorted((e for e in entries if e.name.startswith(beginning)), key=_key_order)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in found:
            key = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name == PRIVATE_SEGMENT:
                continue
            if entry.is_dir():
                yield from self._walk(key, "")
                continue
            with suppress(FileNotFoundError):  # deleted since the folder was read
                status = entry.stat()
                yield ObjectInfo(key, status.st_size, status.st_mtime)

    def _dangling(self, key: str) -> StoreCorruptError:
        path = self._root / key
        return StoreCorruptError(
            f"{path} is a link to a file under {PRIVATE_SEGMENT} that does not exist. Restore the "
            f"file or delete the link, then run again."
        )

    def _clean_once(self, folder: Path) -> None:
        """Delete the files of killed writers in a folder, once for each folder and process."""
        if folder in self._cleaned:
            return
        self._cleaned.add(folder)
        with suppress(OSError), os.scandir(folder / PRIVATE_SEGMENT) as entries:
            for entry in entries:
                with suppress(OSError):
                    old = (
                        entry.stat(follow_symlinks=False).st_mtime < self._clock() - _STALE_SECONDS
                    )
                    if old and not _is_published(Path(entry.path)):
                        Path(entry.path).unlink()


def _key_order(entry: os.DirEntry[str]) -> bytes:
    """Return the sort key of an entry; a folder sorts by its name and a `/`, as its keys do."""
    return os.fsencode(entry.name + "/" if entry.is_dir() else entry.name)


def _staged_path(target: Path) -> Path:
    return target.parent / PRIVATE_SEGMENT / f"{secrets.token_hex(8)}-{target.name}"


def _with_suffix(version: Path, suffix: str) -> Path:
    return version.with_name(version.name + suffix)


def _write_staged(staged: Path, body: bytes | Path, metadata: Mapping[str, str]) -> None:
    """Write content and metadata under the staged name and sync both to disk."""
    with _create_in_new_folder(staged) as stream:
        if isinstance(body, bytes):
            stream.write(body)
        else:
            with body.open("rb") as source:
                shutil.copyfileobj(source, stream, _COPY_BYTES)
        stream.flush()
        os.fsync(stream.fileno())
    if metadata:
        with _with_suffix(staged, _METADATA_SUFFIX).open("xb") as stream:
            stream.write(json.dumps(metadata, sort_keys=True).encode())
            stream.flush()
            os.fsync(stream.fileno())
    sync(staged.parent)


def _create_in_new_folder(path: Path) -> BinaryIO:
    """Open a new file for writing, and try again if a `delete` removes its empty folder."""
    for _ in range(_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return path.open("xb")
    return path.open("xb")


def _publish_if_absent(staged: Path, target: Path, *, linked: bool) -> PutOutcome:
    """Give the staged object its name, unless the name exists."""
    try:
        if linked:
            target.symlink_to(_link_text(staged))
        else:
            os.link(staged, target)
    except FileExistsError:
        # A network file system may lose the answer to a successful request and repeat the request.
        # Then the existing name is our own link.
        ours = _version_of(target) == staged if linked else _same_file(staged, target)
        if not ours:
            return PutOutcome.EXISTED
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise StoreConditionError(
                f"the file system of {target.parent} does not support links ({error.strerror}), so "
                f"two writers could both succeed. Put the store on another file system."
            ) from error
        raise
    sync(target.parent)
    return PutOutcome.WRITTEN


def _publish(staged: Path, target: Path, *, linked: bool) -> None:
    """Give the staged object its name, and replace an existing object."""
    previous = _version_of(target)
    if linked:
        link = _with_suffix(staged, _LINK_SUFFIX)
        link.symlink_to(_link_text(staged))
        link.replace(target)
    else:
        staged.replace(target)
    sync(target.parent)
    if previous is not None:
        _remove_version(previous)


def _link_text(version: Path) -> str:
    return f"{PRIVATE_SEGMENT}/{version.name}"


def _version_of(path: Path) -> Path | None:
    """Return the content file that a key links to, or None if the key is not such a link."""
    try:
        text = str(path.readlink())
    except OSError:
        return None
    folder, _, name = text.rpartition("/")
    return path.parent / PRIVATE_SEGMENT / name if folder == PRIVATE_SEGMENT else None


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def _read_metadata(version: Path) -> dict[str, str]:
    loaded: dict[str, str] = json.loads(_with_suffix(version, _METADATA_SUFFIX).read_bytes())
    return loaded


def _remove_version(version: Path) -> None:
    for suffix in (_LINK_SUFFIX, _METADATA_SUFFIX, ""):
        _with_suffix(version, suffix).unlink(missing_ok=True)


def _is_published(entry: Path) -> bool:
    """Return True if a file in `.objects` is the content or the metadata of a key."""
    version = entry.with_name(entry.name.removesuffix(_METADATA_SUFFIX))
    _, _, name = version.name.partition("-")
    return _version_of(entry.parent.parent / name) == version
