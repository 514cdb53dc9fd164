"""Peers: runs that need the same stage. The younger run waits and then reuses the result.

Two live runs of a namespace and store never work on one key at the same time. A run that already
works on a key keeps it. Of the runs that only want the key, the oldest one gets it, so two runs
that are planned at the same moment come to the same decision. A run that is suspended, has ended,
or is Stalled without an attempt wants no key, so the next run can continue.

Runs cannot wait for each other in a circle: a run waits only for an older run, or for a run that
is working and needs nothing more to finish.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from isheep.api.status import StageRecord
from isheep.contract.stage_ids import iteration_of
from isheep.planner.types import Attempt, AttemptState, Peer, RunView
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind, kind_of

PREPARE = str(StageKind.PREPARE)

_AT_WORK = (AttemptState.ACTIVE, AttemptState.TERMINATING)


def claims(run: RunView, attempts: Iterable[Attempt]) -> Peer:
    """Return the keys that a run works on and wants, for its peers."""
    at_work = [a for a in attempts if a.state in _AT_WORK]
    working = {key for attempt in at_work for key in _working(attempt, run.status.stages)}
    status = run.status
    wanted = {r.key for r in _left(status.stages) if not (r.hold and r.hold.stalled)}
    reconciling = any(c.type == "Reconciling" for c in status.conditions)
    if run.deleting or not reconciling:
        wanted = set()
    return Peer(run.name, run.uid, run.created, frozenset(working), frozenset(wanted))


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
    inference = [record for record in records if _has_role(record)]
    open_iterations = {iteration_of(record.id) for record in left if _has_role(record)}
    firsts = {iteration_of(record.id): record.key for record in reversed(inference)}
    claims = {key for iteration, key in firsts.items() if iteration in open_iterations}
    return claims | {record.key for record in left}


def _left(records: Iterable[StageRecord]) -> Iterator[StageRecord]:
    """Yield the records of the stages that the run still executes."""
    return (r for r in records if not r.committed and r.failure is None)


def _has_role(record: StageRecord) -> bool:
    return STAGE_DEFINITIONS[kind_of(record.id)].role is not None


def holder(run: RunView, peers: Iterable[Peer], keys: Collection[str]) -> Peer | None:
    """Return the peer that must finish before a run may work on these keys, or None."""
    others = sorted((p for p in peers if p.uid != run.uid), key=lambda p: (p.created, p.uid))
    for peer in others:
        older = (peer.created, peer.uid) < (run.created, run.uid)
        if not peer.working.isdisjoint(keys) or (older and not peer.wanted.isdisjoint(keys)):
            return peer
    return None
