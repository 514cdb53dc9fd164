"""A training's checkpoints in the store, as `checkpoints.Checkpoints` has them."""

from __future__ import annotations

import logging
from pathlib import Path

from isheep.store.checkpoints import CheckpointStore
from isheep.store.interface import StoreCorruptError

_LOG = logging.getLogger(__name__)


class StoredCheckpoints:
    """The checkpoints of one train key; copies of them are made in `scratch`."""

    def __init__(self, store: CheckpointStore, key: str, scratch: Path) -> None:
        self._store = store
        self._key = key
        self._scratch = scratch

    def save(self, folder: Path, step: int) -> None:
        """Store a checkpoint; the store keeps the newest two."""
        self._store.save(self._key, step, folder, {})

    def latest(self) -> Path | None:
        """Return a local copy of the newest whole checkpoint, or None."""
        step = self.latest_step()
        return None if step is None else self.folder(step)

    def latest_step(self) -> int | None:
        """Make a local copy of the newest whole checkpoint and return its step, or None."""
        for step in self._store.steps(self._key):
            try:
                self.restore(step)
            except StoreCorruptError as error:
                _LOG.warning("a checkpoint is passed over: %s", error)
                continue
            return step
        return None

    def restore(self, step: int) -> None:
        """Make a local copy of a checkpoint; raises `StoreCorruptError`."""
        self._store.restore(self._key, step, self.folder(step))

    def folder(self, step: int) -> Path:
        """Return where a checkpoint's local copy is."""
        return self._scratch / f"checkpoint-{step}"

    def discard(self) -> None:
        """Delete them all."""
        self._store.delete(self._key)
