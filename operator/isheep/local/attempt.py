"""An attempt of this machine: one order at work in one or more worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import StageResult
from isheep.local.events import AttemptEnd, AttemptView, WorkerView
from isheep.local.worker import Answered, Ended, Reported, Worker
from isheep.planner.types import Attempt, AttemptState, StageRef, Start

STOP_SECONDS = 60.0
"""So long a worker may take from SIGTERM to its answer before it is killed."""


@dataclass(slots=True)
class _Share:
    """One worker's share: what it said of its stage first and last, and how it ended."""

    worker: Worker
    first: Reported | None = None
    report: Reported | None = None
    result: StageResult | None = None
    exit_code: int | None = None
    tail: str | None = None

    @property
    def over(self) -> bool:
        return self.exit_code is not None


class LocalAttempt:
    """Collects what the workers of an attempt say until all have answered or died."""

    def __init__(self, start: Start, workers: Sequence[Worker], created: datetime) -> None:
        self._start = start
        self._shares = [_Share(worker) for worker in workers]
        self._created = created
        self._finished: datetime | None = None
        self._kill_at: datetime | None = None
        self._stopped_because: str | None = None
        self.name = attempt_name(start)

    @property
    def over(self) -> bool:
        """Whether no worker is at work on it any more."""
        return self._finished is not None

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its workers, in the order of their shares."""
        return tuple(share.worker for share in self._shares)

    def reported(self, report: Reported) -> None:
        """Note how far a worker is."""
        for share in self._shares_of(report.worker):
            if share.first is None or share.first.stage != report.stage:
                share.first = report
            share.report = report

    def answered(self, answer: Answered, now: datetime) -> None:
        """Note a worker's result."""
        for share in self._shares_of(answer.worker):
            share.result, share.exit_code = answer.result, answer.exit_code
        self._close(now)

    def ended(self, end: Ended, now: datetime) -> None:
        """Note that a process is gone; without an answer before, that is a failure."""
        for share in self._shares_of(end.worker):
            # A worker that leaves with 0 and no result has not done what it was told.
            share.exit_code = end.exit_code or int(ExitCode.DEFECT)
            share.tail = share.worker.tail()
        self._close(now)

    def stop(self, reason: str, now: datetime) -> None:
        """Ask its workers to stop, once."""
        if self.over or self._kill_at is not None:
            return
        self._stopped_because = reason
        self._kill_at = now + timedelta(seconds=STOP_SECONDS)
        for share in self._at_work():
            share.worker.stop()

    def kill(self) -> None:
        """Kill the workers that have not answered."""
        for share in self._at_work():
            share.worker.kill()

    def check(self, now: datetime) -> None:
        """Stop what is past its deadline, kill what does not stop."""
        if self.over:
            return
        if self._kill_at is not None:
            if now >= self._kill_at:
                self.kill()
        elif (deadline := self._deadline) is not None and now >= deadline:
            self.stop(f"it ran for more than its {self._start.deadline_seconds} s", now)

    @property
    def due(self) -> datetime | None:
        """When `check` has something to do at the latest."""
        return None if self.over else self._kill_at or self._deadline

    def observe(self) -> Attempt:
        """Return the attempt as the planner sees it."""
        done, total = self._items()
        return Attempt(
            name=self.name,
            steps=tuple(StageRef(step.id, step.key) for step in self._start.order.steps),
            number=self._start.order.attempt,
            state=self._state(),
            created=self._created,
            started=self._created,
            finished=self._finished,
            results=tuple(share.result for share in self._shares if share.result is not None),
            exit_code=self._exit_code() if self.over else None,
            message=self._message() if self.over else None,
            items_done=done,
            items_total=total,
        )

    def view(self) -> AttemptView:
        """Return the attempt as people are shown it."""
        done, total = self._items()
        return AttemptView(
            name=self.name,
            stage=self._stage(),
            number=self._start.order.attempt,
            started=self._created,
            items_done=done or 0,
            items_total=total,
            workers=tuple(_worker_view(i, share) for i, share in enumerate(self._shares)),
        )

    def end(self) -> AttemptEnd:
        """Return how the attempt ended, for people."""
        if self._finished is None:
            raise RuntimeError(f"attempt {self.name} is still at work")
        steps = [step for share in self._shares if share.result for step in share.result.steps]
        failed = self._state() is AttemptState.FAILED
        return AttemptEnd(
            name=self.name,
            stages=tuple(step.id for step in self._start.order.steps),
            number=self._start.order.attempt,
            seconds=(self._finished - self._created).total_seconds(),
            items=self._items()[1],
            adopted=bool(steps) and all(step.adopted for step in steps),
            error=(self._message() or f"exit code {self._exit_code()}") if failed else None,
        )

    @property
    def _deadline(self) -> datetime | None:
        seconds = self._start.deadline_seconds
        return None if seconds is None else self._created + timedelta(seconds=seconds)

    def _shares_of(self, worker: Worker) -> list[_Share]:
        return [share for share in self._at_work() if share.worker is worker]

    def _at_work(self) -> list[_Share]:
        return [share for share in self._shares if not share.over]

    def _close(self, now: datetime) -> None:
        if self._finished is None and not self._at_work():
            self._finished = now

    def _state(self) -> AttemptState:
        if not self.over:
            return AttemptState.ACTIVE if self._kill_at is None else AttemptState.TERMINATING
        return AttemptState.FAILED if self._exit_code() else AttemptState.SUCCEEDED

    def _exit_code(self) -> int:
        return next((share.exit_code for share in self._shares if share.exit_code), 0)

    def _message(self) -> str | None:
        if self._stopped_because is not None:
            return f"stopped: {self._stopped_because}"
        for share in self._shares:
            if share.result is not None and share.result.message:
                return share.result.message
            if share.tail is not None:
                return _death(share)
        return None

    def _stage(self) -> str:
        said = [share.report.stage for share in self._shares if share.report is not None]
        return said[0] if said else self._start.order.steps[0].id

    def _items(self) -> tuple[int | None, int | None]:
        """Return the items done by all workers together, and how many there are.

        Each worker counts from what it found done when it began, and adds its own.
        """
        stage = self._stage()
        pairs = [
            (share.first, share.report)
            for share in self._shares
            if share.first and share.report and share.report.stage == stage
        ]
        known = next((step.items for step in self._start.order.steps if step.id == stage), None)
        if not pairs:
            return None, known
        found = max(first.items_done for first, _ in pairs)
        added = sum(last.items_done - first.items_done for first, last in pairs)
        totals = [last.items_total for _, last in pairs if last.items_total is not None]
        return found + added, known or max(totals, default=None)


def attempt_name(start: Start) -> str:
    """Return the attempt's name, unique in a run."""
    return f"{start.order.steps[0].id}#{start.order.attempt}"


def _worker_view(index: int, share: _Share) -> WorkerView:
    if share.over:
        return WorkerView(index, "done", "")
    if share.report is None:
        return WorkerView(index, "start", "")
    return WorkerView(index, share.report.activity, share.report.detail)


def _death(share: _Share) -> str:
    code = share.exit_code or 0
    how = f"was killed by signal {code - 128}" if code > 128 else f"left with exit code {code}"
    if code == 137:
        how += " (SIGKILL: by hand, or by the kernel for want of memory)"
    tail = share.tail or "(empty)"
    return f"the worker process {how}; the end of its log, {share.worker.log}:\n{tail}"
