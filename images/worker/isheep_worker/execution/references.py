"""Which run uses which stages: what lets `isheep gc` delete only what nobody needs.

A reference is written once a stage is committed or found committed. Nothing that a run
makes depends on it, so one that cannot be written is no failure.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from isheep.contract.order import RunRef
from isheep.store.documents import RunDocuments
from isheep.store.interface import ObjectStore, StoreError

_LOG = logging.getLogger(__name__)


def note_use(store: ObjectStore, run: RunRef, keys: Iterable[str]) -> None:
    """Record that a run uses stages; the first that cannot be recorded ends it with a warning."""
    documents = RunDocuments(store, run)
    for key in keys:
        try:
            documents.add_ref(key)
        except StoreError as error:
            # Every further one would take its minutes of retries, too.
            _LOG.warning("not recorded that this run uses stage %s: %s", key, error)
            return
