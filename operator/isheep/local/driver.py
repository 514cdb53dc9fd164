"""The loop of `isheep run`: observe, plan, write the status, act, wait.

One thread waits in one place, the queue that receives the workers' messages and the requests to
stop. The planner makes all decisions. All state is in the store, so the driver may be killed
between any two statements. The next driver finds the same documents and no attempts, reuses the
stages that a worker has committed, and continues.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.exit_codes import ExitCode
from isheep.local.affinity import load_may_follow
from isheep.local.attempt import ON_REQUEST, LocalAttempt, attempt_name
from isheep.local.conclusion import Conclusion, conclusion_of
from isheep.local.events import AttemptEnd, Listener
from isheep.local.inbox import StopRequested
from isheep.local.pool import Pool
from isheep.local.until import paused_at
from isheep.local.worker import (
    Inbox,
    Message,
    ProcessEnd,
    ProgressReport,
    ResultReport,
)
from isheep.logs import log_event
from isheep.planner.gpu_accounting import charged_at_end
from isheep.planner.types import (
    Action,
    Environment,
    Observed,
    Peer,
    Plan,
    Remove,
    RunView,
    Start,
    Stop,
)


class StatusWriter(Protocol):
    """Stores the status of a run."""

    def write_status(self, status: SelfAlignmentRunStatus) -> None:
        """Store a changed status."""


Planner = Callable[[RunView, Observed, datetime, Environment], Plan]
Clock = Callable[[], datetime]
Peers = Callable[[], Iterable[Peer]]

STATUS_SECONDS = 15.0
"""How often the stored status is updated with a stage's progress, for other readers."""
BEAT_SECONDS = 5.0
"""How often the listener gets an attempt whose workers report nothing."""

_LOG = logging.getLogger(__name__)


class Driver:
    """Executes one run until it ends or a stop is requested."""

    def __init__(
        self,
        run: RunView,
        *,
        stored: StatusWriter,
        planner: Planner,
        environment: Environment,
        peers: Peers,
        pool: Pool,
        inbox: Inbox,
        listener: Listener,
        clock: Clock,
        until: str | None = None,
    ) -> None:
        """With `until`, the run pauses when the stage with this id is committed."""
        self._run = run
        self._stored = stored
        self._planner = planner
        self._environment = environment
        self._peers = peers
        self._pool = pool
        self._inbox = inbox
        self._listener = listener
        self._clock = clock
        self._until = until
        self._attempts: dict[str, LocalAttempt] = {}
        self._ends: list[AttemptEnd] = []
        self._next_beat = clock()
        self._stop_requests = 0
        self._worker_code: int | None = None

    def run(self) -> Conclusion:
        """Execute the run to its end; all workers have ended when the method returns or raises."""
        try:
            while self._stop_requests == 0:
                plan = self._pass()
                conclusion = conclusion_of(plan.status, self._run.generation, self._worker_code)
                conclusion = conclusion or paused_at(plan.status, self._until)
                if conclusion is not None and not self._running():
                    return conclusion
                self._wait(plan)
            return self._stop()
        finally:
            self._pool.close()

    def _pass(self) -> Plan:
        attempts = tuple(attempt.observe() for attempt in self._attempts.values())
        observed = Observed(attempts, tuple(self._peers()))
        plan = self._planner(self._run, observed, self._clock(), self._environment)
        self._report_ends(conclusion_of(plan.status, self._run.generation))
        if plan.status != self._run.status:
            self._stored.write_status(plan.status)
            self._log_phase(plan)
            self._run = replace(self._run, status=plan.status)
            self._listener.status(plan.status)
        if not plan.actions:
            self._log_idle(plan)
        paused = paused_at(plan.status, self._until) is not None
        for action in sorted(plan.actions, key=self._turn):
            if not (paused and isinstance(action, Start)):
                self._act(action)
        return plan

    def _turn(self, action: Action) -> int:
        """Return 0 for what ends attempts, 1 for orders whose model is loaded, 2 for the others."""
        if not isinstance(action, Start):
            return 0
        return 1 if self._pool.has_loaded(action.order) else 2

    def _act(self, action: Action) -> None:
        if isinstance(action, Start):
            self._start(action)
        elif isinstance(action, Stop):
            self._attempts[action.attempt].stop(action.reason, self._clock())
        elif isinstance(action, Remove):
            del self._attempts[action.attempt]

    def _start(self, start: Start) -> None:
        name = attempt_name(start)
        if name in self._attempts:
            raise RuntimeError(f"the planner started attempt {name} twice")
        workers = self._pool.take(start.order)
        gpus = self._pool.gpus_of(start.order)
        attempt = LocalAttempt(start, workers, self._clock(), gpus)
        self._attempts[name] = attempt
        attempt.start()
        if load_may_follow(start.order, self._run.spec["iterations"]):
            self._pool.start_spares(start.order)
        self._listener.started(attempt.view())

    def _wait(self, plan: Plan) -> None:
        """Wait until a new plan is needed: an attempt ended, a time has come, or a stop."""
        until = self._next_plan_time(plan)
        while self._stop_requests == 0:
            now = self._clock()
            for attempt in self._running():
                attempt.check(now)
            if until is not None and now >= until:
                return
            self._beat(now)
            due = [t for t in (until, *(a.due for a in self._running())) if t is not None]
            if self._running():
                due.append(self._next_beat)
            message = self._receive((min(due) - now).total_seconds() if due else None)
            if message is not None and self._handle(message):
                return

    def _beat(self, now: datetime) -> None:
        """Show the running attempts again from time to time, although no worker has reported."""
        if now >= self._next_beat:
            self._next_beat = now + timedelta(seconds=BEAT_SECONDS)
            for attempt in self._running():
                self._listener.progressed(attempt.view())

    def _next_plan_time(self, plan: Plan) -> datetime | None:
        if self._running():
            update = self._clock() + timedelta(seconds=STATUS_SECONDS)
            return min(update, plan.wake_at) if plan.wake_at is not None else update
        if plan.wake_at is None:
            raise RuntimeError(
                "the planner has no action and no time to wake, but the run has not ended"
            )
        return plan.wake_at

    def _receive(self, seconds: float | None) -> Message | None:
        try:
            return self._inbox.get(timeout=None if seconds is None else max(0.0, seconds))
        except queue.Empty:
            return None

    def _handle(self, message: Message) -> bool:
        """Process a message and return True if a new plan is needed."""
        if isinstance(message, StopRequested):
            self._stop_requests += 1
            return True
        now = self._clock()
        for attempt in self._running():
            if message.worker not in attempt.workers:
                continue
            if isinstance(message, ProgressReport):
                attempt.add_progress(message)
                self._listener.progressed(attempt.view())
                continue
            if isinstance(message, ResultReport):
                attempt.add_result(message, now)
            elif isinstance(message, ProcessEnd):
                attempt.add_process_end(message, now)
            if attempt.finished:
                self._release(attempt)
                return True
        return False

    def _release(self, attempt: LocalAttempt) -> None:
        end = attempt.end()
        self._worker_code = attempt.observe().exit_code or self._worker_code
        for worker in attempt.workers:
            worker.finish_order()
            self._pool.release(worker, clean=end.error is None)
        self._ends.append(end)

    def _report_ends(self, conclusion: Conclusion | None) -> None:
        """Report the attempts that have ended since the last plan."""
        ends, self._ends = self._ends, []
        for end in ends:
            repeated = conclusion is not None and end.error and end.error in conclusion.message
            self._listener.ended(replace(end, is_repeated=bool(repeated)))

    def _running(self) -> list[LocalAttempt]:
        return [attempt for attempt in self._attempts.values() if not attempt.finished]

    def _stop(self) -> Conclusion:
        """Stop the workers and wait for them; kill them at a second request."""
        now = self._clock()
        at = [attempt.position for attempt in self._running()]
        for attempt in self._running():
            attempt.stop(ON_REQUEST, now)
        if self._running():
            self._listener.note(
                "stopping at the next safe point; press Ctrl-C again to stop at once"
            )
        handled = self._stop_requests
        while self._running():
            for attempt in self._running():
                attempt.check(self._clock())
            message = self._receive(1.0)
            if message is not None:
                self._handle(message)
            if self._stop_requests > handled:
                handled = self._stop_requests
                for attempt in self._running():
                    attempt.kill("a second stop was requested")
        self._charge()
        at = [end.stopped_at for end in self._ends if end.stopped_at is not None] or at
        self._report_ends(None)
        where = f" in {' and '.join(at)}" if at else ""
        return Conclusion("Stopped", ExitCode.STOPPED, f"stopped{where}; everything stored remains")

    def _charge(self) -> None:
        """Store the GPU time of the attempts that a stop has ended; no plan follows."""
        attempts = [attempt.observe() for attempt in self._attempts.values()]
        status = charged_at_end(self._run.status, attempts, self._clock())
        if status != self._run.status:
            self._stored.write_status(status)

    def _log_phase(self, plan: Plan) -> None:
        before, after = self._run.status.phase, plan.status.phase
        if before != after:
            log_event(
                _LOG,
                logging.INFO,
                "Phase changed",
                namespace=self._run.namespace,
                run=self._run.name,
                before=before or "none",
                phase=after,
                reason=_reason(plan),
            )

    def _log_idle(self, plan: Plan) -> None:
        running = [attempt.name for attempt in self._running()]
        log_event(
            _LOG,
            logging.DEBUG,
            "Pass without an action",
            namespace=self._run.namespace,
            run=self._run.name,
            reason=_reason(plan),
            running=",".join(running) or None,
            wake_at=plan.wake_at,
        )


def _reason(plan: Plan) -> str | None:
    """Return the reason of the planned status, which its Ready condition always contains."""
    return next((c.reason for c in plan.status.conditions if c.type == "Ready"), None)
