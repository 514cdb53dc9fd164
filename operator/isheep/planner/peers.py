"""Peers: runs that need the same stage. The younger run waits and then reuses the result.

Two live runs of a namespace and store never work on one key at the same time. A run that already
works on a key keeps it. Of the runs that only want the key, the oldest one gets it, so two runs
that are planned at the same moment come to the same decision. A run that is suspended, has ended,
is Stalled without an attempt, or waits for a place wants no key, so the next run can continue.

A Job for one stage does not claim the others of its role. So a run whose Job would walk through
them waits until that stage is done (`beside`). For the same reason, a run with the grouping Joined
waits for a Job that makes a later role, or a stage of it (`inside`).

The Job of a whole run walks on to stages whose keys nobody knows yet. So a run also waits for a
peer if one of the two has such a Job, and both could come to the same stage (`reach`).

Runs cannot wait for each other in a circle: a run waits only for an older run, or for a run that
is working and needs nothing more to finish.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from isheep.api.status import StageRecord
from isheep.contract.reasons import Reason
from isheep.contract.stage_ids import iteration_of
from isheep.planner.reach import reached
from isheep.planner.types import Attempt, Peer, Reach, RunView, Start
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind, kind_of

PREPARE = str(StageKind.PREPARE)


@dataclass(frozen=True, slots=True)
class Plans:
    """What a run is about to work on: the keys it needs now, and the stages it may then reach.

    `reach` has the expected keys, and `walks` tells whether its Job would execute a whole run.
    `claim` is the key that its Job would claim if it walks through a part of an iteration, and
    `joined` tells whether this part has all roles.
    """

    keys: Collection[str]
    reach: frozenset[str] = frozenset()
    walks: bool = False
    claim: str | None = None
    joined: bool = False


def claims(
    run: RunView,
    attempts: Iterable[Attempt],
    starts: Iterable[Start] = (),
    *,
    reaches: bool = True,
) -> Peer:
    """Return the keys that a run works on and wants, for its peers.

    Args:
        run: The run, with the status of its last plan.
        attempts: Its attempts.
        starts: The attempts that its last plan starts.
        reaches: Whether to compute the reach. It is needed if this run or a peer executes whole
            runs in one Job.
    """
    at_work = [a for a in attempts if a.occupies]
    starts = list(starts)
    working = {key for attempt in at_work for key in _working(attempt, run.status.stages)}
    working |= {step.key for start in starts for step in start.steps}
    working |= {start.walk.claim for start in starts if start.walk is not None}
    status = run.status
    wanted = {r.key for r in _left(status.stages) if not (r.hold and r.hold.stalled)}
    reconciling = any(c.type == "Reconciling" for c in status.conditions)
    without_place = any(c.reason == Reason.RUN_LIMIT for c in status.conditions)
    if run.deleting or not reconciling or without_place:
        wanted = set()
    reach = _reach(run, at_work, starts) if reaches else None
    alone = [step.id for attempt in at_work if attempt.walk is None for step in attempt.steps]
    alone += [step.id for one in starts if one.walk is None for step in one.steps]
    return Peer(
        run.name,
        run.uid,
        run.created,
        frozenset(working),
        frozenset(wanted),
        reach,
        _closed(alone, status.stages, joined=False),
        _closed([*alone, *_later_roles(run, at_work, starts)], status.stages, joined=True),
    )


def is_prepared_again(run: RunView, attempts: Iterable[Attempt]) -> bool:
    """Return whether the Job of a whole run goes on while an edit repeats prepare.

    Then the status does not have the stages of that Job, so its claims cannot be computed.
    """
    if "prepared" in (run.status.resolved or {}):
        return False
    at_work = (a for a in attempts if a.occupies and a.steps[0].id != PREPARE)
    return any(a.walk is not None and a.walk.grouping == "Run" for a in at_work)


def _later_roles(
    run: RunView, at_work: Iterable[Attempt], starts: Iterable[Start]
) -> Iterator[str]:
    """Yield the first stages of Jobs for one role that do not claim the begin of the iteration."""
    jobs = [(one.steps[0].id, one.walk) for one in at_work if one.steps]
    jobs += [(one.steps[0].id, one.walk) for one in starts]
    claims = [(stage, w.claim) for stage, w in jobs if w is not None and w.grouping == "PerRole"]
    firsts = set(_firsts(run.status.stages).values()) if claims else set()
    yield from (stage for stage, claim in claims if claim not in firsts)


def _reach(run: RunView, at_work: Iterable[Attempt], starts: Iterable[Start]) -> Reach:
    """Return the stages that the attempts of a run may reach."""
    firsts = [
        *((attempt.steps[0].id, attempt.walk) for attempt in at_work if attempt.steps),
        *((start.steps[0].id, start.walk) for start in starts),
    ]
    walking: set[str] = set()
    alone: set[str] = set()
    for first, walk in firsts:
        grouping = "PerStage" if walk is None else walk.grouping
        found = reached(run.status.resolved, run.status.stages, first, grouping)
        (walking if grouping == "Run" else alone).update(found)
    return Reach(frozenset(walking), frozenset(alone))


def _working(attempt: Attempt, records: Sequence[StageRecord]) -> set[str]:
    """Return the keys that an attempt works on, as far as they are known.

    The Job of a whole run passes through the iterations. So it claims the first inference stage of
    each iteration in which it can still make data, and the stages that are known and not committed.
    """
    if attempt.walk is None:
        return {step.key for step in attempt.steps}
    if attempt.walk.grouping != "Run" or all(r.id == PREPARE for r in records):
        return {attempt.walk.claim, *(step.key for step in attempt.steps)}
    left = list(_left(records))
    made_in = _iterations(records)
    open_iterations = {made_in[record.id] for record in left if _has_role(record)}
    firsts = _firsts(records)
    claims = {key for iteration, key in firsts.items() if iteration in open_iterations}
    return claims | {record.key for record in left}


def _closed(
    stages: Collection[str], records: Sequence[StageRecord], *, joined: bool
) -> frozenset[str]:
    """Return the first inference stages that no Job with a walk may claim beside some stages.

    They are those of the iterations of these stages for a `joined` Job, and otherwise those of
    their roles in the iterations.
    """
    if not stages:
        return frozenset()
    made_in = _iterations(records)

    def place(stage: str) -> tuple[int, str | None]:
        return made_in.get(stage, iteration_of(stage)), None if joined else _role(stage)

    firsts = {place(record.id): record.key for record in reversed(records) if _has_role(record)}
    closed = {place(stage) for stage in stages if _role(stage) is not None}
    return frozenset(key for where, key in firsts.items() if where in closed)


def _iterations(records: Iterable[StageRecord]) -> dict[str, int]:
    """Return the iteration in which each stage is made: M(t) is measured in iteration t + 1.

    The records are in the order of the plan.
    """
    found: dict[str, int] = {}
    latest = 0
    for record in records:
        latest = max(latest, iteration_of(record.id))
        found[record.id] = latest
    return found


def _role(stage: str) -> str | None:
    return STAGE_DEFINITIONS[kind_of(stage)].role


def _firsts(records: Sequence[StageRecord]) -> dict[int, str]:
    """Return the key of the first inference stage of each iteration."""
    inference = [record for record in records if _has_role(record)]
    made_in = _iterations(records)
    return {made_in[record.id]: record.key for record in reversed(inference)}


def _left(records: Iterable[StageRecord]) -> Iterator[StageRecord]:
    """Yield the records of the stages that the run still executes."""
    return (r for r in records if not r.committed and r.failure is None)


def _has_role(record: StageRecord) -> bool:
    return _role(record.id) is not None


def holder(run: RunView, peers: Iterable[Peer], plans: Plans) -> Peer | None:
    """Return the peer that must finish before a run may begin what it plans, or None."""
    others = sorted((p for p in peers if p.uid != run.uid), key=lambda p: (p.created, p.uid))
    for peer in others:
        older = (peer.created, peer.uid) < (run.created, run.uid)
        if not peer.working.isdisjoint(plans.keys):
            return peer
        if older and not peer.wanted.isdisjoint(plans.keys):
            return peer
        closed = peer.beside | peer.inside if plans.joined else peer.beside
        if plans.claim in closed or _may_meet(peer, plans):
            return peer
    return None


def _may_meet(peer: Peer, plans: Plans) -> bool:
    """Return whether an attempt of a peer may come to a stage that a run plans to reach.

    Without a Job of a whole run on either side, the runs compare the keys of their stages.
    """
    if peer.reach is None:
        return plans.walks and bool(peer.working)
    if not plans.reach.isdisjoint(peer.reach.walking):
        return True
    return plans.walks and not plans.reach.isdisjoint(peer.reach.alone)


def needs_reach(peers: Iterable[Peer], *, walks: bool) -> bool:
    """Return whether a run must compute the stages that its next attempt may reach."""
    return walks or any(peer.reach is not None and peer.reach.walking for peer in peers)
