"""Model files that several workers share: each is put there once, and whole.

The cache may be a volume that many pods mount. The store's downloads appear under their
names complete; what is added here is that a file which is right is never replaced. A
worker may have it mapped into its memory, and over a network file system a replaced
file is gone for whoever has it open. So the one that downloads holds a lock, and looks
again once it has it. Where the file system has no locks two workers may fetch the same
file, each of them whole.
"""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isheep.store.local_files import explained
from isheep_worker.runtime.orders import SourceUnreachableError

_STALE_SECONDS = 24 * 3600.0
_LOG = logging.getLogger(__name__)


def keep(path: Path, size: int, download: Callable[[Path], None]) -> None:
    """Make `path` a file of `size` bytes, by `download` unless it is one already.

    Raises what `download` raises, and `SourceUnreachableError` where it brought another size.
    """
    if _has_size(path, size):
        return
    with _turn(path):
        if _has_size(path, size):
            return
        _remove_remains(path)
        download(path)
    if not _has_size(path, size):
        raise SourceUnreachableError(
            f"{path} was to have {size} bytes and has not: its source changed while it was "
            "downloaded, so try again"
        )


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait until nobody else downloads this file; a lock ends with its process at the latest."""
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
    """Remove what downloads of this file left that were killed long ago."""
    for remains in path.parent.glob(f".*.{path.name}*"):
        with suppress(OSError):
            if remains.stat().st_mtime < time.time() - _STALE_SECONDS:
                remains.unlink()
