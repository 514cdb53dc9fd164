"""Jobs that the API server rejected: how the planner sees them, and when to try again.

A rejection takes the place of an attempt that cannot start. It occupies its stage and waits, so
the run is Stalled with the API server's message. When the wait is over the rejection is dropped,
and the planner starts the attempt again. A person who edits the run may have removed the cause, so
an edit ends all its waits. Rejections are not stored, because a restarted operator only has to try
again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from isheep.contract.reasons import Reason
from isheep.kube.client import WEBHOOK_DENIED, WEBHOOK_FAILED, ApiError
from isheep.kube.pods.pod_results import shown
from isheep.planner.types import Attempt, AttemptState, JobWalk, StageRef, Start, Waiting

DELAYS = tuple(timedelta(seconds=s) for s in (5, 10, 20, 40, 60))
"""The waits between tries; the last one repeats."""
_MESSAGE_CHARACTERS = 800


@dataclass(frozen=True, slots=True)
class Rejection:
    """A Job that the API server did not create, for the `times`-th time in a row.

    It keeps no order, because the order of a large run has its whole spec.
    """

    name: str
    steps: tuple[StageRef, ...]
    number: int
    walk: JobWalk | None
    reason: str
    message: str
    since: datetime
    until: datetime
    times: int

    def holds(self, now: datetime) -> bool:
        """Return whether its wait goes on; a clock that was set back before its begin ends it."""
        return self.since <= now < self.until

    def attempt(self) -> Attempt:
        """Return the rejection as an attempt that waits."""
        return Attempt(
            name=self.name,
            steps=self.steps,
            number=self.number,
            state=AttemptState.ACTIVE,
            created=self.since,
            waiting=Waiting(self.reason, self.message, stalled=True),
            walk=self.walk,
            rejected=True,
        )


class Rejections:
    """The rejections of one run, by the name of the Job."""

    def __init__(self) -> None:
        self._current: dict[str, Rejection] = {}
        self._times: dict[str, int] = {}
        self._asked: object = None

    def add(self, name: str, start: Start, reason: str, message: str, now: datetime) -> Rejection:
        """Add a rejection of a Job and return it, with a wait that grows with each one in a row."""
        times = self._times.get(name, 0) + 1
        self._times[name] = times
        until = now + DELAYS[min(times, len(DELAYS)) - 1]
        text = " ".join(shown(message).split())[:_MESSAGE_CHARACTERS]
        found = Rejection(
            name,
            start.steps,
            start.order.attempt,
            start.walk,
            reason,
            text,
            since=now,
            until=until,
            times=times,
        )
        self._current[name] = found
        return found

    def clear(self, name: str) -> None:
        """Reset the count of a Job that the API server has now created."""
        self._times.pop(name, None)

    def remove(self, name: str) -> bool:
        """Remove a rejection; return whether there was one."""
        return self._current.pop(name, None) is not None

    def drop_over(self, now: datetime, asked: object) -> None:
        """Remove the rejections whose wait is over; all of them if the run is `asked` for more."""
        if asked != self._asked:
            self._asked = asked
            self._current.clear()
            self._times.clear()
        self._current = {n: r for n, r in self._current.items() if r.holds(now)}

    def attempts(self, now: datetime) -> list[Attempt]:
        """Return the rejections whose wait is not over, as attempts."""
        return [r.attempt() for r in self._current.values() if r.holds(now)]

    def due(self) -> list[datetime]:
        """Return the times at which the waits end."""
        return [r.until for r in self._current.values()]


def reason_of(error: ApiError, kind: str = "Job") -> Reason:
    """Return the reason for a Job or Service that the API server rejected."""
    if Reason.NAMESPACE_TERMINATING in error.causes or error.status == 404:
        return Reason.NAMESPACE_TERMINATING
    if error.status == 504 or WEBHOOK_FAILED.search(str(error)):
        return Reason.WEBHOOK_FAILED
    if error.status == 403 or WEBHOOK_DENIED.search(str(error)):
        quota = re.search("(exceeded|failed) quota", str(error))
        return Reason.QUOTA_EXCEEDED if quota else Reason(f"{kind}Forbidden")
    return Reason(f"{kind}Invalid")


def service_conflict_message(name: str) -> str:
    """Return what to do about a Service that has the name of this run's Service."""
    return (
        f"the Service {name} is not the one that this run needs: another owner created it, or "
        "somebody edited it. Delete it, and the run continues"
    )


def job_conflict_message(name: str) -> str:
    """Return what to do about a Job that has the name of this run's Job."""
    return (
        f"the Job {name} is not the one that this run needs: another owner created it, or "
        "somebody edited its labels or annotations. Delete it, and the run continues"
    )
