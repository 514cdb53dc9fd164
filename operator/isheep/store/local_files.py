"""What both stores do with this machine's files: publish atomically, digest, explain.

A file that others may read appears whole or not at all: it is written under
another name in the same folder, forced to disk, and then renamed. An error of
the operating system is translated once, here, into the store's own errors, so
that a full disk or a read-only mount is told with its remedy everywhere.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isheep.store.interface import StoreError, StoreFullError, StoreUnreachableError

# EFBIG: the file system or a limit refuses a file of this size, which is a kind of full.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_GONE = frozenset({errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENXIO})


def explain(error: OSError, doing: str) -> StoreError:
    """Return the store's error for one of the operating system, with what to do.

    `doing` is the sentence's subject, such as `writing a/b in /data/store`.
    """
    cause = f"{doing}: {error.strerror or error}"
    if error.errno in _FULL:
        return StoreFullError(f"{cause}. Free some space or raise the quota, then run again.")
    if error.errno in _REFUSED:
        return StoreUnreachableError(
            f"{cause}. Give this user the right to write there, or choose another store."
        )
    if error.errno in _GONE:
        return StoreUnreachableError(f"{cause}. Mount that file system again, then run again.")
    if isinstance(error, NotADirectoryError | FileExistsError | IsADirectoryError):
        return StoreError(f"{cause}. A file stands where a folder is needed, or the reverse.")
    if isinstance(error, FileNotFoundError):
        return StoreError(f"{cause}. Make the folder that it lies in, or choose another place.")
    return StoreError(f"{cause}.")


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Translate every OSError of the block with `explain`."""
    try:
        yield
    except OSError as error:
        raise explain(error, doing) from error


def sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new name beside `path`; when the block ends well it becomes `path`.

    When the block fails, nothing is left and `path` is as it was.
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


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits, reading it as a stream."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
