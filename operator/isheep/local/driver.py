"""The loop of `isheep run`: look, plan, write the status, act, wait.

One thread waits in one place, the queue on which workers' words and requests to
stop arrive. All decisions are the planner's. All state is in the store, so the
driver may be killed between any two statements: the next one finds the same
documents, no attempts, and goes on; what a worker had committed is found.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from isheep.contract.exit_codes import ExitCode
from isheep.local.affinity import loads_follow
from isheep.local.attempt import LocalAttempt, attempt_name
from isheep.local.conclusion import Conclusion, conclusion_of
from isheep.local.events import Listener
from isheep.local.pool import Pool
from isheep.local.stored_run import StoredRun
from isheep.local.worker import Answered, Ended, Inbox, Message, Reported, StopRequested
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

Planner = Callable[[RunView, Observed, datetime, Environment], Plan]
Clock = Callable[[], datetime]
Peers = Callable[[], Iterable[Peer]]

STATUS_SECONDS = 15.0
"""How often the status follows the progress of a stage, for whoever reads it elsewhere."""


class Driver:
    """Carries out one run until it is at its end, or must stop."""

    def __init__(
        self,
        run: RunView,
        *,
        stored: StoredRun,
        planner: Planner,
        environment: Environment,
        peers: Peers,
        pool: Pool,
        inbox: Inbox,
        listener: Listener,
        clock: Clock,
    ) -> None:
        self._run = run
        self._stored = stored
        self._planner = planner
        self._environment = environment
        self._peers = peers
        self._pool = pool
        self._inbox = inbox
        self._listener = listener
        self._clock = clock
        self._attempts: dict[str, LocalAttempt] = {}
        self._stops = 0
        self._worker_code: int | None = None

    def drive(self) -> Conclusion:
        """Work until the run has ended; ends the workers on every way out."""
        try:
            while self._stops == 0:
                plan = self._pass()
                conclusion = conclusion_of(plan.status, self._run.generation, self._worker_code)
                if conclusion is not None and not self._at_work():
                    return conclusion
                self._wait(plan)
            return self._stop()
        finally:
            self._pool.close()

    def _pass(self) -> Plan:
        attempts = tuple(attempt.observe() for attempt in self._attempts.values())
        observed = Observed(attempts, tuple(self._peers()))
        plan = self._planner(self._run, observed, self._clock(), self._environment)
        if plan.status != self._run.status:
            self._stored.write_status(plan.status)
            self._run = replace(self._run, status=plan.status)
            self._listener.status(plan.status)
        for action in plan.actions:
            self._act(action)
        return plan

    def _act(self, action: Action) -> None:
        if isinstance(action, Start):
            self._start(action)
        elif isinstance(action, Stop):
            self._attempts[action.attempt].stop(action.reason, self._clock())
        else:
            self._forget(action)

    def _start(self, start: Start) -> None:
        name = attempt_name(start)
        if name in self._attempts:
            raise RuntimeError(f"the planner started {name} twice")
        workers = self._pool.take(start.order)
        attempt = LocalAttempt(start, workers, self._clock())
        self._attempts[name] = attempt
        for worker in workers:
            worker.send(start.order)
        if loads_follow(start.order, self._run.spec["iterations"]):
            self._pool.look_ahead(start.order)
        self._listener.started(attempt.view())

    def _forget(self, forget: Remove) -> None:
        del self._attempts[forget.attempt]

    def _wait(self, plan: Plan) -> None:
        """Return when there is reason to plan again: an attempt ended, a time has come, a stop."""
        until = self._until(plan)
        while self._stops == 0:
            now = self._clock()
            for attempt in self._at_work():
                attempt.check(now)
            if until is not None and now >= until:
                return
            due = [t for t in (until, *(a.due for a in self._at_work())) if t is not None]
            message = self._receive((min(due) - now).total_seconds() if due else None)
            if message is not None and self._handle(message):
                return

    def _until(self, plan: Plan) -> datetime | None:
        if self._at_work():
            look = self._clock() + timedelta(seconds=STATUS_SECONDS)
            return min(look, plan.wake_at) if plan.wake_at is not None else look
        if plan.wake_at is None:
            raise RuntimeError(
                "the planner has nothing to do, waits for nothing, and the run is not at its end"
            )
        return plan.wake_at

    def _receive(self, seconds: float | None) -> Message | None:
        try:
            return self._inbox.get(timeout=None if seconds is None else max(0.0, seconds))
        except queue.Empty:
            return None

    def _handle(self, message: Message) -> bool:
        """Take in a message and say whether it is reason to plan again."""
        if isinstance(message, StopRequested):
            self._stops += 1
            return True
        now = self._clock()
        for attempt in self._at_work():
            if message.worker not in attempt.workers:
                continue
            if isinstance(message, Reported):
                attempt.reported(message)
                self._listener.progressed(attempt.view())
                continue
            if isinstance(message, Answered):
                attempt.answered(message, now)
            elif isinstance(message, Ended):
                attempt.ended(message, now)
            if attempt.over:
                self._ended(attempt)
                return True
        return False

    def _ended(self, attempt: LocalAttempt) -> None:
        end = attempt.end()
        self._worker_code = attempt.observe().exit_code or self._worker_code
        for worker in attempt.workers:
            worker.answered()
            self._pool.release(worker, clean=end.error is None)
        self._listener.ended(end)

    def _at_work(self) -> list[LocalAttempt]:
        return [attempt for attempt in self._attempts.values() if not attempt.over]

    def _stop(self) -> Conclusion:
        """Ask the workers to stop and wait for them; a second request kills them."""
        now = self._clock()
        for attempt in self._at_work():
            attempt.stop("on request", now)
        if self._at_work():
            self._listener.note("stopping at the next safe point; again to stop at once")
        asked = self._stops
        while self._at_work():
            for attempt in self._at_work():
                attempt.check(self._clock())
            message = self._receive(1.0)
            if message is not None:
                self._handle(message)
            if self._stops > asked:
                asked = self._stops
                for attempt in self._at_work():
                    attempt.kill()
        return Conclusion(
            "Stopped", ExitCode.STOPPED, "stopped on request; what is committed stays"
        )
