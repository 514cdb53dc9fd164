"""The limit of working runs: the largest number of runs of a namespace that work at a time.

A run **works** from its first Job on until it ends, is suspended, or cannot go on. Between two Jobs
it still works, and while it waits for the next attempt after a failure that it retries by itself. A
run that is Stalled, suspended, or waits for a peer does not work once its last pod is gone, so it
prevents no other run. It waits for a place again when it can go on.

The runs that wait get the places in the order of their creation. A run that works keeps its place,
so an older run that waits does not stop it. Nobody starves: a place that becomes free goes to the
oldest run that waits, and a run that comes later is never older.

A run that waits for a place wants no key (`peers`). Otherwise a run with a place could wait for the
stage of a run without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.reasons import Reason
from isheep.planner.groups import GroupStatus, Rank
from isheep.planner.types import Attempt, AttemptState, Contender, Environment, Observed, RunView

PLACE_WAIT = timedelta(seconds=300)
"""How long a run waits for a place before it looks again, if nothing reports a free place."""
MOST_NAMES = 5
"""The most names of runs in a message."""
_GIVES_UP_ITS_PLACE = (Reason.RUN_LIMIT, Reason.WAITING_FOR_PEER)


def has_pods(attempts: Iterable[Attempt]) -> bool:
    """Return whether a run has an attempt that may have pods; nodes that are lost do not count.

    An attempt that has ended has none, also while it is removed.
    """
    return any(attempt.occupies and not _is_removed(attempt) for attempt in attempts)


def _is_removed(attempt: Attempt) -> bool:
    """Return whether an attempt had ended, with all its pods, before its removal began."""
    stops = attempt.state is AttemptState.TERMINATING
    return stops and attempt.finished is not None and not attempt.lingers


def keeps_place(status: SelfAlignmentRunStatus) -> bool:
    """Return whether a run that worked, and has no attempt now, goes on by itself."""
    going_on = any(c.type == "Reconciling" for c in status.conditions)
    return going_on and reason_of(status) not in _GIVES_UP_ITS_PLACE


def reason_of(status: SelfAlignmentRunStatus) -> str | None:
    """Return the reason of a status; None for a run that has no status yet."""
    return next((c.reason for c in status.conditions if c.type == "Ready"), None)


def contender_of(run: RunView, attempts: Iterable[Attempt]) -> Contender | None:
    """Return whether a run works or waits, as its stored status and its attempts show it."""
    works = has_pods(attempts) or (not run.deleting and keeps_place(run.status))
    waits = not run.deleting and reason_of(run.status) in (None, Reason.RUN_LIMIT)
    if not works and not waits:
        return None
    return Contender(run.name, run.uid, run.created, works=works)


def next_ones(contenders: Iterable[Contender], limit: int) -> list[Contender]:
    """Return the runs that wait and can have a place now, oldest first."""
    found = list(contenders)
    free = limit - sum(one.works for one in found)
    return _waiting(found)[: max(0, free)]


def wait_message(run: RunView, observed: Observed, environment: Environment) -> str | None:
    """Return why a run cannot start an attempt now, or None if it works or gets a place."""
    limit = environment.runs_per_namespace
    if limit is None or observed.works or has_pods(observed.attempts) or keeps_place(run.status):
        return None
    works = sorted((one for one in observed.contenders if one.works), key=_age)
    older = [one for one in _waiting(observed.contenders) if _age(one) < (run.created, run.uid)]
    if len(works) + len(older) < limit:
        return None
    first = f"{len(older) + 1} in the queue"
    queue = f"{first}, after {_names(older)}" if older else first
    at_work = f": {_names(works)}" if works else ""
    return (
        f"the limit of the namespace is {limit} working {'run' if limit == 1 else 'runs'} "
        f"(limits.runsPerNamespace), and {len(works)} work{'s' if len(works) == 1 else ''}"
        f"{at_work}; the place of this run is {queue}"
    )


def held_back(groups: Sequence[GroupStatus], message: str, now: datetime) -> list[GroupStatus]:
    """Return the groups of a run without a place: none of them starts."""
    return [
        replace(
            one,
            rank=Rank.WAITING,
            reason=Reason.RUN_LIMIT,
            message=f"{'+'.join(stage.id for stage in one.group)}: {message}"[:1000],
            start=None,
            wake_at=now + PLACE_WAIT,
        )
        if one.start is not None
        else one
        for one in groups
    ]


def _waiting(contenders: Iterable[Contender]) -> list[Contender]:
    return sorted((one for one in contenders if not one.works), key=_age)


def _age(one: Contender) -> tuple[datetime, str]:
    return one.created, one.uid


def _names(contenders: Sequence[Contender]) -> str:
    names = ", ".join(one.name for one in contenders[:MOST_NAMES])
    more = len(contenders) - MOST_NAMES
    return f"{names} and {more} more" if more > 0 else names
