"""An attempt on this machine: one order that one or more worker processes execute."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import StageResult
from isheep.local.events import AttemptEnd, AttemptView, WorkerView
from isheep.local.positions import reached
from isheep.local.worker import ProcessEnd, ProgressReport, ResultReport, Worker
from isheep.logs import log_event, stage_fields
from isheep.planner.types import Attempt, AttemptState, PodTime, Start

STOP_SECONDS = 60.0
"""How long a worker may take from SIGTERM to its result before it is killed."""
LOAD_STOP_SECONDS = 3.0
"""The same for a worker that starts or loads a model, which has nothing to write yet."""
ON_REQUEST = "on request"
"""Why an attempt stops if a person or the system stopped the driver."""
_LOADING = frozenset({"start", "load"})

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Share:
    """A worker's share: its last report, and how it ended."""

    worker: Worker
    last: ProgressReport | None = None
    result: StageResult | None = None
    exit_code: int | None = None
    tail: str | None = None
    ended_at: datetime | None = None

    @property
    def finished(self) -> bool:
        return self.exit_code is not None


class LocalAttempt:
    """Collects the messages of an attempt's workers until all have a result or have ended."""

    def __init__(
        self,
        start: Start,
        workers: Sequence[Worker],
        created: datetime,
        gpus: Mapping[str, int] | None = None,
    ) -> None:
        """`gpus` are the GPUs of each worker, by resource."""
        self._start = start
        self._gpus = dict(gpus or {})
        self._seen = created
        self._shares = [_Share(worker) for worker in workers]
        self._created = created
        self._finished_at: datetime | None = None
        self._stopped_since: datetime | None = None
        self._killed = False
        self._stop_reason: str | None = None
        self.name = attempt_name(start)

    @property
    def finished(self) -> bool:
        """True if all workers have a result or have ended."""
        return self._finished_at is not None

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The workers in the order of their shares."""
        return tuple(share.worker for share in self._shares)

    def start(self) -> None:
        """Send the order to the workers."""
        for worker in self.workers:
            worker.send(self._start.order)
        self._log("Attempt started", workers=len(self._shares))

    def add_progress(self, report: ProgressReport) -> None:
        """Record a worker's progress."""
        for share in self._shares_of(report.worker):
            share.last = report

    def add_result(self, report: ResultReport, now: datetime) -> None:
        """Record a worker's result."""
        for share in self._shares_of(report.worker):
            share.result, share.exit_code = report.result, report.exit_code
            share.ended_at = now
        self._finish_if_complete(now)

    def add_process_end(self, end: ProcessEnd, now: datetime) -> None:
        """Record the end of a process; without a result before it, this is a failure."""
        for share in self._shares_of(end.worker):
            # A worker that exits with 0 but without a result has a defect.
            share.exit_code = end.exit_code or int(ExitCode.DEFECT)
            share.tail = share.worker.tail()
            share.ended_at = now
        self._finish_if_complete(now)

    def stop(self, reason: str, now: datetime) -> None:
        """Request a stop from the workers, unless that has been done or the attempt has ended."""
        if self.finished or self._stopped_since is not None:
            return
        self._stop_reason = reason
        self._stopped_since = now
        for share in self._running():
            share.worker.stop()
        self._log("Attempt stopped", why=reason)

    def kill(self, why: str) -> None:
        """Kill the workers that have no result."""
        for share in self._running():
            share.worker.kill()
        if not self._killed:
            # The driver repeats the kill until the processes have ended.
            self._killed = True
            self._log("Attempt killed", why=why)

    def check(self, now: datetime) -> None:
        """Stop the attempt after its deadline, and kill workers that do not stop in time."""
        if self.finished:
            return
        self._seen = now
        if (kill_at := self._kill_at) is not None:
            if now >= kill_at:
                self.kill(f"it did not stop within {self._stop_seconds:.0f} s")
        elif (deadline := self._deadline) is not None and now >= deadline:
            self.stop(f"it ran for more than its {self._start.deadline_seconds} s", now)

    @property
    def due(self) -> datetime | None:
        """The latest time of the next `check`; None if no check is needed."""
        return None if self.finished else self._kill_at or self._deadline

    def observe(self) -> Attempt:
        """Return the attempt for the planner."""
        done, total = self._items()
        return Attempt(
            name=self.name,
            steps=self._start.steps,
            number=self._start.order.attempt,
            state=self._state(),
            created=self._created,
            started=self._created,
            finished=self._finished_at,
            results=tuple(share.result for share in self._shares if share.result is not None),
            exit_code=self._exit_code() if self.finished else None,
            message=self._message() if self.finished else None,
            items_done=done,
            items_total=total,
            gpus=self._gpus,
            pods=tuple(self._time(str(index), share) for index, share in enumerate(self._shares)),
        )

    def _time(self, name: str, share: _Share) -> PodTime:
        ended = share.ended_at is not None
        return PodTime(name, self._created, share.ended_at or self._seen, ended=ended)

    def view(self) -> AttemptView:
        """Return the attempt for a listener."""
        done, total = self._items()
        founds = [report.items_found for report in self._reports()]
        return AttemptView(
            name=self.name,
            stage=self._stage(),
            number=self._start.order.attempt,
            started=self._created,
            items_done=done or 0,
            items_total=total,
            workers=tuple(_worker_view(i, share) for i, share in enumerate(self._shares)),
            items_found=min(founds, default=0),
        )

    def end(self) -> AttemptEnd:
        """Return how the attempt ended, for a listener.

        Raises:
            RuntimeError: The attempt has not ended.
        """
        if self._finished_at is None:
            raise RuntimeError(f"attempt {self.name} has not ended")
        steps = [step for share in self._shares if share.result for step in share.result.steps]
        failed = self._state() is AttemptState.FAILED
        return AttemptEnd(
            name=self.name,
            stages=tuple(step.id for step in self._start.order.steps),
            number=self._start.order.attempt,
            seconds=(self._finished_at - self._created).total_seconds(),
            items=self._items()[1],
            adopted=bool(steps) and all(step.adopted for step in steps),
            error=(self._message() or f"exit code {self._exit_code()}") if failed else None,
            stopped_at=self.position if failed and self._is_stopped else None,
        )

    @property
    def position(self) -> str:
        """The stage that runs, and how far it is, such as `i1/train after step 3 of 8`."""
        done, total = self._items()
        stage = self._stage()
        return f"{stage} after {reached(stage, done, total)}" if done else stage

    @property
    def _is_stopped(self) -> bool:
        if self._stop_reason is not None:
            return self._stop_reason == ON_REQUEST
        return self._exit_code() == ExitCode.STOPPED

    @property
    def _kill_at(self) -> datetime | None:
        since = self._stopped_since
        return None if since is None else since + timedelta(seconds=self._stop_seconds)

    @property
    def _stop_seconds(self) -> float:
        running = [_worker_view(i, share) for i, share in enumerate(self._shares)]
        loads = all(view.activity in {*_LOADING, "done"} for view in running)
        return LOAD_STOP_SECONDS if loads else STOP_SECONDS

    @property
    def _deadline(self) -> datetime | None:
        seconds = self._start.deadline_seconds
        return None if seconds is None else self._created + timedelta(seconds=seconds)

    def _shares_of(self, worker: Worker) -> list[_Share]:
        return [share for share in self._running() if share.worker is worker]

    def _running(self) -> list[_Share]:
        return [share for share in self._shares if not share.finished]

    def _finish_if_complete(self, now: datetime) -> None:
        if self._finished_at is None and not self._running():
            self._finished_at = now
            self._log_end(self.end())

    def _log_end(self, end: AttemptEnd) -> None:
        reasons = [s.result.reason for s in self._shares if s.result and s.result.reason]
        self._log(
            "Attempt adopted" if end.adopted else "Attempt ended",
            state=self._state(),
            exit_code=self._exit_code(),
            # Not the message, which may be the end of a library's log.
            reason=reasons[0] if reasons else None,
            items=end.items,
            seconds=round(end.seconds, 1),
        )

    def _log(self, message: str, **fields: object) -> None:
        order = self._start.order
        log_event(
            _LOG,
            logging.INFO,
            message,
            **stage_fields(
                namespace=order.run.namespace,
                run=order.run.name,
                stage=order.steps[0].id,
                attempt=order.attempt,
                key=order.steps[0].key,
            ),
            **fields,
        )

    def _state(self) -> AttemptState:
        if not self.finished:
            stops = self._stopped_since is not None
            return AttemptState.TERMINATING if stops else AttemptState.ACTIVE
        return AttemptState.FAILED if self._exit_code() else AttemptState.SUCCEEDED

    def _exit_code(self) -> int:
        return next((share.exit_code for share in self._shares if share.exit_code), 0)

    def _message(self) -> str | None:
        if self._stop_reason is not None:
            return f"stopped: {self._stop_reason}"
        for share in self._shares:
            if share.result is not None and share.result.message:
                return share.result.message
            if share.tail is not None:
                return _process_end_message(share)
        return None

    def _stage(self) -> str:
        stages = [share.last.stage for share in self._shares if share.last is not None]
        return stages[0] if stages else self._start.order.steps[0].id

    def _items(self) -> tuple[int | None, int | None]:
        """Return the number of items that all workers have done, and the number of all items.

        Each worker counts from the items that it found when it began. The first worker to begin
        found the fewest. So the sum is this number and the items that each worker has added.
        """
        stage, reports = self._stage(), self._reports()
        known = next((step.items for step in self._start.order.steps if step.id == stage), None)
        if not reports:
            return None, known
        found = min(report.items_found for report in reports)
        added = sum(report.items_done - report.items_found for report in reports)
        totals = [report.items_total for report in reports if report.items_total is not None]
        return found + added, known or max(totals, default=None)

    def _reports(self) -> list[ProgressReport]:
        """Return the last report of each worker on the stage that runs."""
        stage = self._stage()
        lasts = (share.last for share in self._shares)
        return [last for last in lasts if last is not None and last.stage == stage]


def attempt_name(start: Start) -> str:
    """Return the attempt's name, which is unique in a run."""
    return f"{start.order.steps[0].id}#{start.order.attempt}"


def _worker_view(index: int, share: _Share) -> WorkerView:
    log = share.worker.log
    if share.finished:
        return WorkerView(index, "done", "", log)
    if share.last is None:
        return WorkerView(index, "start", "", log)
    return WorkerView(index, share.last.activity, share.last.detail, log)


def _process_end_message(share: _Share) -> str:
    code = share.exit_code or 0
    how = f"was killed by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
    if code == 137:
        how += " (SIGKILL: from a user, or from the kernel because memory was full)"
    if share.worker.log is None:
        return f"the worker process {how}; read its log"
    tail = share.tail or "(empty)"
    return f"the worker process {how}; the end of its log, {share.worker.log}:\n{tail}"
