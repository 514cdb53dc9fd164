"""The checkpoints of a training in the store, as the protocol `checkpoints.Checkpoints`."""

from __future__ import annotations

import logging
from pathlib import Path

from isheep.store.checkpoints import CheckpointStore
from isheep.store.interface import StoreCorruptError

_LOG = logging.getLogger(__name__)


class StoredCheckpoints:
    """The checkpoints of one train key, with local copies in `scratch`."""

    def __init__(self, store: CheckpointStore, key: str, scratch: Path) -> None:
        self._store = store
        self._key = key
        self._scratch = scratch

    def save(self, folder: Path, step: int) -> None:
        """Store a checkpoint; the store keeps the newest two."""
        self._store.save(self._key, step, folder, {})

    def latest(self) -> Path | None:
        """Return a local copy of the newest complete checkpoint, or None if there is none."""
        step = self.latest_step()
        return None if step is None else self.folder(step)

    def latest_step(self) -> int | None:
        """Copy the newest complete checkpoint to this machine and return its step, or None."""
        for step in self._store.steps(self._key):
            try:
                self.restore(step)
            except StoreCorruptError as error:
                _LOG.warning("skipping a checkpoint: %s", error)
                continue
            return step
        return None

    def restore(self, step: int) -> None:
        """Copy a checkpoint to this machine.

        Raises:
            StoreCorruptError: A file of the checkpoint is missing or its digest differs.
        """
        self._store.restore(self._key, step, self.folder(step))

    def folder(self, step: int) -> Path:
        """Return the folder of a checkpoint's local copy."""
        return self._scratch / f"checkpoint-{step}"

    def discard(self) -> None:
        """Delete all checkpoints."""
        self._store.delete(self._key)
