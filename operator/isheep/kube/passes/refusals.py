"""What the operator does if the API server refuses a write for good.

A policy of the cluster can forbid a deletion, and a status can be too large. The operator says so
once, with an Event and a line in the log, and tries again later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from isheep.kube.cache.records import JobRecord, RunRecord
from isheep.kube.cache.run_views import view_of
from isheep.kube.observability.metrics import Metrics
from isheep.kube.passes.actions import Actions, NotDeletedError
from isheep.kube.passes.attempts import is_over
from isheep.kube.passes.events import Note
from isheep.kube.passes.memory import Memory
from isheep.kube.passes.status_writer import StatusRefusedError, StatusWriter
from isheep.kube.queue import WorkQueue
from isheep.logs import log_event
from isheep.planner.types import RunView

REFUSED_SECONDS = 300.0
"""The wait before a status that the API server refused is written again."""
STATUS_REFUSED = "StatusRefused"
"""The reason of the Event about a status that cannot be written."""
KEPT_SECONDS = 1800.0
"""The longest wait before a deletion that the API server has forbidden is tried again."""
_LOG = logging.getLogger(__name__)


class Refusals:
    """Reports refused writes, and wakes their runs for the next try."""

    def __init__(
        self, *, writer: StatusWriter, actions: Actions, queue: WorkQueue, metrics: Metrics
    ) -> None:
        self._writer = writer
        self._actions = actions
        self._queue = queue
        self._metrics = metrics

    async def note_kept(
        self, record: RunRecord, memory: Memory, refused: NotDeletedError, now: datetime
    ) -> None:
        """Report once that a run or a Job cannot be deleted, and try again later."""
        if memory.kept != str(refused):
            note = Note("Warning", refused.reason, str(refused))
            await self._writer.create_event(view_of(record), note, now)
        memory.kept = str(refused)
        self._queue.wake(record.uid, min(KEPT_SECONDS, refused.seconds))

    async def stop(
        self,
        view: RunView,
        jobs: Iterable[JobRecord],
        memory: Memory,
        refused: StatusRefusedError,
        now: datetime,
    ) -> None:
        """Report that a status cannot be written, and stop the Jobs, whose results would be lost.

        The next try follows an edit of the run, or a wait.
        """
        self._metrics.refused_statuses.labels(str(refused.status)).inc()
        if memory.refused != str(refused):
            note = Note("Warning", STATUS_REFUSED, str(refused))
            await self._writer.create_event(view, note, now)
            fields = {"namespace": view.namespace, "run": view.name}
            log_event(_LOG, logging.ERROR, "Status refused", **fields, error=str(refused))
        memory.refused = str(refused)
        for job in jobs:
            if not job.deleting and not is_over(job):
                await self._actions.delete(job, "the status of its run cannot be written", memory)
        self._queue.wake(view.uid, REFUSED_SECONDS)
