"""Lanes: where each group of ready stages stands, and what is done about it.

A stage is occupied while any attempt at it is there, even one that is being removed:
its memory and its device are free only when it is gone. An unoccupied stage waits
out its hold, then its peers, and is started.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import Hold, StageRecord
from isheep.contract.reasons import Reason
from isheep.contract.store_spec import StoreSpec
from isheep.planner.conditions import Standing, State
from isheep.planner.failure import STALLED_SCHEDULE
from isheep.planner.orders import build_start, resolve_sources
from isheep.planner.peers import holder
from isheep.planner.pinning import PlanningError
from isheep.planner.stage_records import PREPARE, Ledger
from isheep.planner.types import (
    Attempt,
    AttemptState,
    Environment,
    Observed,
    RunView,
    Start,
    StepRef,
)
from isheep.planner.walk import Walk
from isheep.recipes.interface import Stage

PEER_WAIT = timedelta(seconds=30)
"""How often a peer is looked at, should nobody tell that it has ended."""
CONFIGURATION_WAIT = timedelta(minutes=5)
"""How often it is looked whether what an order needs is there by now."""


@dataclass(frozen=True, slots=True)
class Desk:
    """All that a pass has in front of it when it decides about its stages."""

    run: RunView
    observed: Observed
    environment: Environment
    spec: SelfAlignmentRunSpec
    store: StoreSpec
    journey: Walk
    ledger: Ledger
    now: datetime


class Rank(IntEnum):
    """Which lane speaks for the run: the one that gets on, else the one that needs help."""

    MOVING = 0
    STALLED = 1
    WAITING = 2


@dataclass(frozen=True, slots=True)
class Lane:
    """A group of ready stages: how it stands, its attempt or its start, and when to look."""

    group: tuple[Stage, ...]
    rank: Rank
    reason: str
    message: str
    attempt: Attempt | None = None
    start: Start | None = None
    wake_at: datetime | None = None


def lane(group: tuple[Stage, ...], desk: Desk) -> Lane:
    """Return where a group of ready stages stands."""
    ids = {stage.id for stage in group}
    for attempt in desk.observed.attempts:
        occupies = attempt.state in (AttemptState.ACTIVE, AttemptState.TERMINATING)
        if occupies and any(step.id in ids for step in attempt.steps):
            return _occupied(group, attempt)
    refs = [StepRef(stage.id, desk.journey.keys[stage.id]) for stage in group]
    records = [desk.ledger.record(ref) for ref in refs]
    hold = records[0].hold
    if hold is not None and not is_due(hold, desk.now):
        rank = Rank.STALLED if hold.stalled else Rank.WAITING
        return Lane(group, rank, hold.reason, _named(group, hold.message), wake_at=hold.until)
    keys = [ref.key for ref in refs if ref.id != PREPARE]
    peer = holder(desk.run, desk.observed.peers, keys)
    if peer is not None:
        message = _named(group, f"the run {peer.name} makes it; its result is taken over")
        wake_at = desk.now + PEER_WAIT
        return Lane(group, Rank.WAITING, Reason.WAITING_FOR_PEER, message, wake_at=wake_at)
    return _started(group, records, desk)


def is_due(hold: Hold, now: datetime) -> bool:
    """Whether a hold is over; one that lies further ahead than any wait is the clock's fault."""
    return now >= hold.until or hold.until - now > STALLED_SCHEDULE[-1]


def state_of(lanes: Sequence[Lane], *, begun: bool) -> State:
    """Return the state of a run that is neither over nor suspended."""
    speaker = min(lanes, key=lambda one: one.rank)
    if speaker.rank is Rank.STALLED:
        return State(Standing.STALLED, speaker.reason, speaker.message)
    begun = begun or (speaker.rank is Rank.MOVING and speaker.attempt is not None)
    standing = Standing.RUNNING if begun else Standing.PENDING
    return State(standing, speaker.reason, speaker.message)


def _occupied(group: tuple[Stage, ...], attempt: Attempt) -> Lane:
    if attempt.state is AttemptState.TERMINATING:
        message = _named(group, f"{attempt.name} is being stopped")
        return Lane(group, Rank.WAITING, Reason.STOPPING, message)
    waiting = attempt.waiting
    if waiting is not None:
        rank = Rank.STALLED if waiting.stalled else Rank.WAITING
        return Lane(group, rank, waiting.reason, _named(group, waiting.message), attempt)
    message = _named(group, f"attempt {attempt.number} is at work")
    return Lane(group, Rank.MOVING, Reason.RUNNING, message, attempt)


def _started(group: tuple[Stage, ...], records: Sequence[StageRecord], desk: Desk) -> Lane:
    number = 1 + max(record.attempts for record in records)
    resolved = desk.ledger.resolved
    try:
        sources = resolve_sources(group[0].kind, desk.spec, resolved.inputs, desk.environment)
    except PlanningError as problem:
        message = _named(group, str(problem))
        wake_at = desk.now + CONFIGURATION_WAIT
        return Lane(group, Rank.STALLED, problem.reason, message, wake_at=wake_at)
    start = build_start(
        group,
        attempt=number,
        memory_reduction=max(record.memory_reduction for record in records),
        run=desk.run,
        journey=desk.journey,
        spec=desk.spec,
        resolved=resolved,
        store=desk.store,
        sources=sources,
        environment=desk.environment,
    )
    message = _named(group, f"attempt {number} is started")
    return Lane(group, Rank.MOVING, Reason.RUNNING, message, start=start)


def _named(group: Sequence[Stage], message: str) -> str:
    return f"{'+'.join(stage.id for stage in group)}: {message}"[:1000]
