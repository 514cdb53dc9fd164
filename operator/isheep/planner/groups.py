"""Groups of ready stages: the status of each group, and the attempt that starts now if one can.

Any attempt occupies its stages, even an attempt that is being deleted: its memory and its device
are free only when the attempt is gone. The exception is an attempt on lost nodes, which the next
attempt avoids. Stages without an attempt wait until their hold is over,
then until no peer holds their keys, and then they start.

A stalled stage stays Stalled while its next attempt has not shown that the cause is gone. Otherwise
a run with a wrong credential would change its state at each try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import Hold, StageRecord
from isheep.contract.choices import Pool
from isheep.contract.reasons import Reason
from isheep.planner import retry_schedule
from isheep.planner.conditions import RunPhase, State
from isheep.planner.job_stages import can_walk, claim_keys, claimed_stage, walked_from
from isheep.planner.orders import build_start, grouping_of, resolve_sources, resolve_store
from isheep.planner.peers import Plans, holder, needs_reach
from isheep.planner.pinning import PlanningError
from isheep.planner.reach import reached
from isheep.planner.stage_records import PREPARE, StageRecords
from isheep.planner.types import (
    Attempt,
    AttemptState,
    Environment,
    Observed,
    RunView,
    StageRef,
    Start,
)
from isheep.planner.walk import Walk
from isheep.recipes.interface import Stage

PEER_WAIT = timedelta(seconds=30)
"""How long a run waits for a peer before it looks again, if no event reports the peer's end."""
CONFIGURATION_WAIT = timedelta(minutes=5)
"""How long a run waits before it checks again whether a missing ConfigMap or store exists."""
MOST_PROCESSING = 2
"""Stages without a model that run at once on one machine; each has a process of some GiB."""
PROOF_SECONDS = 360
"""How long the next attempt of a stalled stage works until the stall counts as over.

A worker retries requests to a store for 300 seconds before it fails.
"""


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """What a decision about a group of ready stages depends on."""

    run: RunView
    observed: Observed
    environment: Environment
    spec: SelfAlignmentRunSpec
    walked: Walk
    stage_records: StageRecords
    now: datetime


class Rank(IntEnum):
    """The order in which groups decide the run's state: running first, then stalled."""

    RUNNING = 0
    STALLED = 1
    WAITING = 2


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """The status of a group of ready stages.

    `attempt` occupies the stages, or `start` is the attempt to start now; at `wake_at` the group
    is looked at again.
    """

    group: tuple[Stage, ...]
    rank: Rank
    reason: str
    message: str
    attempt: Attempt | None = None
    start: Start | None = None
    wake_at: datetime | None = None


def group_status(group: tuple[Stage, ...], context: PlanningContext) -> GroupStatus:
    """Return the status of a group of ready stages."""
    refs = [StageRef(stage.id, context.walked.keys[stage.id]) for stage in group]
    own = [context.stage_records.record(ref) for ref in refs]
    hold = own[0].hold
    holds = hold is not None and not is_due(hold, context.now)
    attempt, worked_on = _occupant(group, context)
    # An attempt that only has to be removed does not hide why the stage waits.
    if attempt is not None and not (holds and attempt.state is AttemptState.TERMINATING):
        return _occupied(worked_on, attempt, hold if worked_on == group else None, context.now)
    if hold is not None and holds:
        rank = Rank.STALLED if hold.stalled else Rank.WAITING
        return GroupStatus(
            group, rank, hold.reason, _named(group, hold.message), wake_at=hold.until
        )
    plans = _plans(group, refs, context)
    peer = holder(context.run, context.observed.peers, plans)
    if peer is not None:
        text = f"the run {peer.name} executes this stage; this run reuses its result"
        if peer.working.isdisjoint(plans.keys) and peer.wanted.isdisjoint(plans.keys):
            text = f"the run {peer.name} executes stages that follow; this run reuses their results"
        message = _named(group, text)
        wake_at = context.now + PEER_WAIT
        return GroupStatus(group, Rank.WAITING, Reason.WAITING_FOR_PEER, message, wake_at=wake_at)
    return _started(group, own, context)


def on_one_machine(groups: Sequence[GroupStatus]) -> list[GroupStatus]:
    """Return the groups for a machine whose devices hold one model at a time.

    A group that needs an engine or trains starts if no such group runs, and only the first one. Of
    the other groups, `MOST_PROCESSING` run at once.
    """
    processing = [one for one in groups if one.group[0].pool is Pool.PROCESSING]
    users = [one for one in groups if one.group[0].pool is not Pool.PROCESSING]
    waiting = {**_beyond(users, 1), **_beyond(processing, MOST_PROCESSING)}
    return [waiting.get(one.group[0].id, one) for one in groups]


def _beyond(groups: Sequence[GroupStatus], limit: int) -> dict[str, GroupStatus]:
    """Return the groups that would start and must wait, by the id of their first stage."""
    running = [one for one in groups if one.attempt is not None]
    starting = [one for one in groups if one.start is not None]
    first = [*running, *starting][:1]
    late = starting[max(limit - len(running), 0) :]
    return {one.group[0].id: _after(first[0], one) for one in late}


def _after(first: GroupStatus, one: GroupStatus) -> GroupStatus:
    """Return the status of a group that cannot start before another one has ended."""
    message = _named(one.group, f"starts after {first.group[0].id}")
    return GroupStatus(one.group, Rank.WAITING, Reason.RUNNING, message)


def is_due(hold: Hold, now: datetime) -> bool:
    """Return whether a hold is over; a hold longer than every wait comes from a wrong clock."""
    return now >= hold.until or hold.until - now > retry_schedule.STALLED_SCHEDULE[-1]


def state_of(groups: Sequence[GroupStatus], *, begun: bool) -> State:
    """Return the state of a run that has not ended and is not suspended."""
    decisive = min(groups, key=lambda one: one.rank)
    if decisive.rank is Rank.STALLED:
        return State(RunPhase.STALLED, decisive.reason, decisive.message)
    begun = begun or (decisive.rank is Rank.RUNNING and decisive.attempt is not None)
    run_phase = RunPhase.RUNNING if begun else RunPhase.PENDING
    return State(run_phase, decisive.reason, decisive.message)


def _occupied_ids(attempt: Attempt, walked: Walk) -> set[str]:
    ids = {step.id for step in attempt.steps}
    if attempt.walk is None:
        return ids
    first, grouping = attempt.steps[0].id, attempt.walk.grouping
    return ids | {stage.id for stage in walked_from(walked.stages, first, grouping)}


def _occupant(
    group: tuple[Stage, ...], context: PlanningContext
) -> tuple[Attempt | None, tuple[Stage, ...]]:
    """Return the first attempt that occupies a stage which the group's Job would execute.

    With it are the stages that it executes: the group, or the next stage of the attempt. The Job of
    a whole run may have begun after a measurement that is to be repeated. A Job that begins with
    the measurement would walk into the stages of that Job.
    """
    walked, grouping = context.walked, grouping_of(context.spec, context.environment)
    own = {stage.id for stage in group}
    own_job = set(own)
    if can_walk(group[0], grouping):
        job = walked_from(walked.stages, group[0].id, grouping)
        own_job |= {stage.id for stage in job if stage.id not in walked.results}
    for attempt in context.observed.attempts:
        if not attempt.occupies:
            continue
        ids = _occupied_ids(attempt, walked)
        if not own.isdisjoint(ids):
            return attempt, group
        if not own_job.isdisjoint(ids):
            left = (s for s in walked.stages if s.id in ids and s.id not in walked.results)
            return attempt, tuple(left)[:1]
    return None, group


def _occupied(
    group: tuple[Stage, ...], attempt: Attempt, hold: Hold | None, now: datetime
) -> GroupStatus:
    if attempt.state is AttemptState.TERMINATING:
        message = _named(group, f"{attempt.name} is stopping")
        return GroupStatus(group, Rank.WAITING, Reason.STOPPING, message)
    waiting = attempt.waiting
    if waiting is not None and waiting.stalled:
        message = _named(group, waiting.message)
        return GroupStatus(group, Rank.STALLED, waiting.reason, message, attempt)
    proof = (attempt.started or attempt.created) + timedelta(seconds=PROOF_SECONDS)
    if hold is not None and hold.stalled and not attempt.items_done and now < proof:
        message = _named(group, hold.message)
        return GroupStatus(group, Rank.STALLED, hold.reason, message, attempt, wake_at=proof)
    failed = attempt.failed_pod
    if failed is not None and not failed.replaced:
        text = f"a pod of attempt {attempt.number} failed, and another one starts: {failed.message}"
        return GroupStatus(group, Rank.RUNNING, Reason.RETRYING, _named(group, text), attempt)
    if waiting is not None:
        message = _named(group, waiting.message)
        return GroupStatus(group, Rank.WAITING, waiting.reason, message, attempt)
    message = _named(group, f"attempt {attempt.number} is running")
    return GroupStatus(group, Rank.RUNNING, Reason.RUNNING, message, attempt)


def _plans(group: tuple[Stage, ...], refs: Sequence[StageRef], context: PlanningContext) -> Plans:
    """Return what an attempt for a group would work on, for the comparison with peers."""
    first = group[0]
    keys = {ref.key for ref in refs if ref.id != PREPARE}
    keys |= claim_keys(context.walked.stages, first, context.walked.keys)
    grouping = grouping_of(context.spec, context.environment)
    walks = grouping == "Run" and can_walk(first, grouping)
    stages, claim = context.walked.stages, None
    if not walks and can_walk(first, grouping):
        claim = context.walked.keys[claimed_stage(stages, first, grouping).id]
    plans = Plans(keys, walks=walks, claim=claim, joined=grouping == "Joined")
    if first.id == PREPARE or not needs_reach(context.observed.peers, walks=walks):
        return plans
    resolved, records = context.stage_records.resolved, context.stage_records.of(context.walked)
    return replace(plans, reach=reached(resolved.document(), records, first.id, grouping))


def _started(
    group: tuple[Stage, ...], own: Sequence[StageRecord], context: PlanningContext
) -> GroupStatus:
    number = 1 + max(record.attempts for record in own)
    resolved = context.stage_records.resolved
    try:
        store = resolve_store(context.spec, context.environment)
        sources = resolve_sources(group[0].kind, context.spec, resolved.inputs, context.environment)
    except PlanningError as problem:
        message = _named(group, str(problem))
        wake_at = context.now + CONFIGURATION_WAIT
        return GroupStatus(group, Rank.STALLED, problem.reason, message, wake_at=wake_at)
    start = build_start(
        group,
        attempt=number,
        memory_reduction=max(record.memory_reduction for record in own),
        run=context.run,
        walked=context.walked,
        spec=context.spec,
        resolved=resolved,
        store=store,
        sources=sources,
        environment=context.environment,
    )
    lost = {node for attempt in context.observed.attempts for node in attempt.lost_nodes}
    start = replace(start, avoided_nodes=tuple(sorted(lost)))
    hold = own[0].hold
    if hold is not None and hold.stalled:
        message = _named(group, hold.message)
        return GroupStatus(group, Rank.STALLED, hold.reason, message, start=start)
    # The text of an attempt that exists, because a second status would only have another word.
    message = _named(group, f"attempt {number} is running")
    return GroupStatus(group, Rank.RUNNING, Reason.RUNNING, message, start=start)


def _named(group: Sequence[Stage], message: str) -> str:
    return f"{'+'.join(stage.id for stage in group)}: {message}"[:1000]
