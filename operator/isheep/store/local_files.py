"""Helpers of both stores for local files: atomic writes, digests and errors.

A file that others may read is complete when it appears: it is written under another name in the
same folder, synced to disk, and then renamed. This module also translates the errors of the
operating system into the store's errors, so every message about a full disk or a read-only mount
names the remedy.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isheep.store.interface import StoreError, StoreFullError, StoreUnreachableError

# EFBIG: the file system or a limit does not allow a file of this size. It counts as full.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_GONE = frozenset({errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENXIO})


def explain(error: OSError, doing: str) -> StoreError:
    """Return the store's error for an error of the operating system, with the remedy.

    `doing` begins the message, for example `writing a/b in /data/store`.
    """
    cause = f"{doing}: {error.strerror or error}"
    if error.errno in _FULL:
        return StoreFullError(f"{cause}. Free some space or raise the quota, then run again.")
    if error.errno in _FORBIDDEN:
        return StoreUnreachableError(
            f"{cause}. Give this user the right to write there, or choose another store."
        )
    if error.errno in _GONE:
        return StoreUnreachableError(f"{cause}. Mount that file system again, then run again.")
    if isinstance(error, NotADirectoryError | FileExistsError | IsADirectoryError):
        return StoreError(f"{cause}. A path is a file but must be a folder, or the reverse.")
    if isinstance(error, FileNotFoundError):
        return StoreError(f"{cause}. Create the folder that contains it, or choose another path.")
    return StoreError(f"{cause}.")


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Translate every OSError in the block with `explain`."""
    try:
        yield
    except OSError as error:
        raise explain(error, doing) from error


def sync(path: Path) -> None:
    """Write a file's content, or a folder's entries, to disk and wait for it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, and rename it to `path` if the block succeeds.

    If the block fails, the temporary file is deleted and `path` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.{path.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `path`, and rename it to `path` if the block succeeds.

    If the block fails, the temporary folder is deleted with its content.

    Raises:
        FileExistsError: `path` exists, and is not an empty folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.{path.name}")
    temporary.mkdir()
    try:
        yield temporary
        sync(temporary)
        try:
            # An empty folder is replaced.
            temporary.rename(path)
        except OSError as error:
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from error
            raise
        sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits; the file is read as a stream."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
