"""The view of a run for the planner, from its record; somebody else may have written the status."""

from __future__ import annotations

import logging
from dataclasses import replace

from isheep.kube.cache.records import RunRecord
from isheep.planner.types import RunView

_LOG = logging.getLogger(__name__)


def view_of(record: RunRecord) -> RunView:
    """Return a run as the planner sees it, without its status if it cannot be read."""
    try:
        return record.view()
    except ValueError:
        return without_status(record)


def without_status(record: RunRecord) -> RunView:
    """Return a run without its status, because somebody else wrote into the status.

    prepare then finds the stages that exist.
    """
    _LOG.exception("the status of %s/%s cannot be read", record.namespace, record.name)
    return replace(record, status=b"{}").view()
