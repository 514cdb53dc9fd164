"""A cache of model files that several workers share; each file is downloaded once and is complete.

The cache may be a volume that many pods mount. The store's downloads are atomic: a file has its
name only when it is complete. This module adds that a correct file is never replaced. A worker may
have mapped the file into its memory, and on a network file system a replaced file disappears for
all processes that have opened it. Therefore a worker takes a lock before it downloads, and checks
the file again when it has the lock. If the file system has no locks, two workers may download the
same file, and both downloads are complete.
"""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isheep.store.local_files import explained
from isheep_worker.runtime.errors import SourceUnreachableError

_STALE_SECONDS = 24 * 3600.0
_LOG = logging.getLogger(__name__)


def keep(path: Path, size: int, download: Callable[[Path], None]) -> None:
    """Download a file to `path` unless `path` already is a file of `size` bytes.

    Raises the exceptions of `download`, and `SourceUnreachableError` if the downloaded file has
    another size.
    """
    if _has_size(path, size):
        return
    with _locked(path):
        if _has_size(path, size):
            return
        _remove_remains(path)
        download(path)
    if not _has_size(path, size):
        raise SourceUnreachableError(
            f"{path} does not have the expected {size} bytes: its source changed during the "
            "download; try again"
        )


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock for downloads of this file; the kernel releases it if the process ends."""
    with explained(f"writing to the model cache {path.parent}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("ab")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            _LOG.warning("the model cache %s has no locks (%s)", path.parent, error)
        yield


def _remove_remains(path: Path) -> None:
    """Remove the partial files of downloads that were killed more than a day ago."""
    for remains in path.parent.glob(f".*.{path.name}*"):
        with suppress(OSError):
            if remains.stat().st_mtime < time.time() - _STALE_SECONDS:
                remains.unlink()
