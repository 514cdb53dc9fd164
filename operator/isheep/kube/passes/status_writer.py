"""The write of a run's status, with its Events and its lines in the log.

The write is a merge patch with the resource version that the pass has read. If the run has changed
meanwhile, the write fails, and the next pass plans with the new state.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from isheep.api.status import SelfAlignmentRunStatus
from isheep.kube.cache.cache import Cache
from isheep.kube.cache.records import RunRecord, run_record
from isheep.kube.client import (
    WEBHOOK_DENIED,
    Api,
    ApiError,
    ApiUnreachableError,
    Check,
    events_path,
    runs_path,
)
from isheep.kube.passes.events import Note, event_document, transitions
from isheep.kube.queue import WorkQueue
from isheep.logs import log_event
from isheep.planner.types import RunView

_LOG = logging.getLogger(__name__)


REFUSALS = (400, 403, 413, 422)
"""The statuses with which an API server refuses a status, for example because it is too large, or
because a policy of the cluster does not allow it."""


class StatusRefusedError(Exception):
    """The API server refuses the status, and would refuse it again."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(f"the status of the run cannot be written: {error}")
        self.status = error.status


class StatusWriter:
    """Writes statuses and creates Events."""

    def __init__(
        self, *, api: Api, cache: Cache, queue: WorkQueue, identity: str, check: Check
    ) -> None:
        self._api = api
        self._check = check
        self._cache = cache
        self._queue = queue
        self._identity = identity

    async def write(
        self,
        record: RunRecord,
        view: RunView,
        status: SelfAlignmentRunStatus,
        patch: Mapping[str, Any],
        now: datetime,
    ) -> RunRecord | None:
        """Write a status, create Events, and return the run; None if it has changed meanwhile.

        `view` has the status before, and `patch` the difference.

        Raises:
            StatusRefusedError: The API server refuses this status.
            LeaseHeldError: Another operator may hold the Lease now.
        """
        path = runs_path(record.namespace, record.name)
        metadata = {"resourceVersion": str(record.resource_version)}
        try:
            answer = await self._api.patch_status(
                path, {"metadata": metadata, "status": patch}, check=self._check
            )
        except ApiError as error:
            if error.status in REFUSALS or WEBHOOK_DENIED.search(str(error)):
                raise StatusRefusedError(error) from error
            if error.status not in (404, 409):
                raise
            await self._refresh(record)
            return None
        stored = run_record(answer)
        self._cache.runs.put(stored)
        _log_transitions(view, status)
        for note in transitions(view.status, status):
            await self.create_event(view, note, now)
        return stored

    async def create_event(self, view: RunView, note: Note, now: datetime) -> None:
        """Create an Event about a run; an Event that cannot be created is lost."""
        document = event_document(note, view, self._identity, now)
        try:
            await self._api.create(events_path(view.namespace), document)
        except (ApiError, ApiUnreachableError) as error:
            _LOG.warning("an Event about %s is lost: %s", view.name, error)

    async def read(self, record: RunRecord) -> RunRecord | None:
        """Return the whole current record of a run; None if the run does not exist."""
        try:
            answer = await self._api.get(runs_path(record.namespace, record.name))
        except ApiError as error:
            if error.status != 404:
                raise
            return None
        return run_record(answer, whole=True)

    async def _refresh(self, record: RunRecord) -> None:
        """Read a run whose write failed because the run has changed or does not exist."""
        try:
            found = run_record(await self._api.get(runs_path(record.namespace, record.name)))
        except ApiError as error:
            if error.status != 404:
                raise
            self._cache.runs.drop(record.uid)
            return
        if found.uid != record.uid:
            self._cache.runs.drop(record.uid)
        if self._cache.runs.put(found):
            self._queue.wake(found.uid)


def _log_transitions(view: RunView, after: SelfAlignmentRunStatus) -> None:
    run = {"namespace": view.namespace, "run": view.name}
    before = view.status
    if before.phase != after.phase:
        log_event(
            _LOG,
            logging.INFO,
            "Phase changed",
            **run,
            before=before.phase or "none",
            phase=after.phase,
        )
    old = {c.type: (c.status, c.reason) for c in before.conditions}
    new = {c.type: (c.status, c.reason) for c in after.conditions}
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            status, reason = new.get(name, ("removed", None))
            log_event(
                _LOG,
                logging.INFO,
                "Condition changed",
                **run,
                condition=name,
                status=status,
                reason=reason,
            )
