"""References from runs to the stages that they use. Who removes artifacts must keep these stages.

The worker writes a reference when it has committed or adopted a stage. No output depends on
references, so the stage does not fail if one cannot be written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from isheep.contract.order import RunRef
from isheep.store.documents import RunDocuments
from isheep.store.interface import ObjectStore, StoreError

_LOG = logging.getLogger(__name__)


def note_use(store: ObjectStore, run: RunRef, keys: Iterable[str]) -> None:
    """Record that a run uses stages; stop with a warning at the first error of the store."""
    documents = RunDocuments(store, run)
    for key in keys:
        try:
            documents.add_ref(key)
        except StoreError as error:
            # Each further write would also retry for minutes.
            _LOG.warning("the reference of this run to stage %s is not stored: %s", key, error)
            return
