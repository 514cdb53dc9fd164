"""Jobs that the API server would not have: as the planner sees them, and when to ask again.

A rejection stands for an attempt that cannot begin. It occupies its stage, waiting, so that
the run is shown as Stalled with the API server's own words, and is dropped when it is due:
then the planner starts the attempt again. Nothing of it is stored, because asking again
is all that a restarted operator needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from isheep.kube.client import ApiError
from isheep.kube.pods import NAMESPACE_TERMINATING
from isheep.planner.types import Attempt, AttemptState, StageRef, Start, Waiting

DELAYS = tuple(timedelta(seconds=s) for s in (5, 10, 20, 40, 60))
"""The waits between tries; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A Job that could not be created."""

    name: str
    start: Start
    reason: str
    message: str
    since: datetime
    until: datetime
    times: int

    def attempt(self) -> Attempt:
        """Return it as the planner sees it."""
        order = self.start.order
        return Attempt(
            name=self.name,
            steps=tuple(StageRef(step.id, step.key) for step in order.steps),
            number=order.attempt,
            state=AttemptState.ACTIVE,
            created=self.since,
            waiting=Waiting(self.reason, self.message, stalled=True),
        )


def refuse(
    name: str, start: Start, *, reason: str, message: str, times: int, now: datetime
) -> Rejection:
    """Return a rejection that was met for the `times`-th time in a row."""
    delay = DELAYS[min(times, len(DELAYS)) - 1]
    text = " ".join(message.split())[:800]
    return Rejection(name, start, reason, text, since=now, until=now + delay, times=times)


def reason_of(error: ApiError, kind: str = "Job") -> str:
    """Return what the API server's rejection of a Job or Service is called in a condition."""
    if "NamespaceTerminating" in error.causes or error.status == 404:
        return NAMESPACE_TERMINATING
    if error.status == 403:
        quota = re.search("(exceeded|failed) quota", str(error))
        return "QuotaExceeded" if quota else f"{kind}Forbidden"
    return f"{kind}Invalid"


def service_conflict_message(name: str) -> str:
    """Return what to do about a Service that has the name of one of ours and is none."""
    return (
        f"there is a Service {name} that is not what this run would create (somebody else made "
        "it, or edited it): delete it, and the run goes on"
    )


def conflict_message(name: str) -> str:
    """Return what to do about a Job that has the name of one of ours and is none."""
    return (
        f"there is a Job {name} that is not what this run would create (somebody else made it, "
        "or edited its labels or annotations): delete it, and the run goes on"
    )
