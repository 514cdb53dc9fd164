"""plan(): what to do next for a run, what its status is then, and when to look again.

It reads in one sitting. Whether the run is over is asked first. Then its spec is
pinned, what its attempts left is taken in, and the recipe is walked over what is
committed. Either that is an end (failed, complete, out of time, suspended), or each
group of ready stages is given its lane: at work, waiting, or started now. The status
is written at the end, of all of it.

It is pure, and safe to repeat: shown the same world twice it says the same; shown a
world where only some of its actions were carried out, or its status was lost, it
says what is still to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.reasons import Reason
from isheep.planner import retry
from isheep.planner.conditions import RunPhase, State
from isheep.planner.deadline import deadline, start_time
from isheep.planner.groups import (
    CONFIGURATION_WAIT,
    GroupStatus,
    PlanningContext,
    group_status,
    state_of,
)
from isheep.planner.orders import ready_groups, resolve_store
from isheep.planner.pinning import PlanningError, Resolved, pin, recipe_of, spec_of
from isheep.planner.stage_records import StageRecords
from isheep.planner.status import full_status, phase_status
from isheep.planner.stops import stop_all, stop_departed
from isheep.planner.tidy import forget
from isheep.planner.types import (
    AttemptState,
    Environment,
    Observed,
    Plan,
    RunView,
    StageRef,
    Stop,
)
from isheep.planner.walk import Walk, walk


def plan(run: RunView, observed: Observed, now: datetime, environment: Environment) -> Plan:
    """Return what to do now; `now` and all times shown are aware of their zone."""
    if run.deleting:
        return Plan((), run.status, None)
    if retry.is_over(run):
        return _rest(run, observed)
    try:
        resolved = pin(run, environment.worker_image, retried=retry.takes_new_image(run))
        spec = spec_of(resolved)
        store = resolve_store(spec, environment)
    except PlanningError as problem:
        return _unplannable(run, observed, problem, now)

    stage_records = StageRecords(retry.records(run), resolved)
    stage_records.take_in(observed.attempts, now)
    resolved = stage_records.resolved
    walked = walk(
        recipe_of(spec), spec, resolved.prepared, resolved.stage_versions, stage_records.lookup
    )
    started = start_time(
        run.status.start_time, suspended=spec.suspend, anew=retry.restarts_clock(run), now=now
    )
    over_at = deadline(spec, started)

    groups: list[GroupStatus] = []
    state = _ending(walked, stage_records, spec, over_at, now)
    if state is not None:
        stops = stop_all(observed.attempts, state.reason)
    else:
        stops = stop_departed(observed.attempts, walked, prepared=resolved.prepared is not None)
        context = PlanningContext(
            run, _stopped(observed, stops), environment, spec, store, walked, stage_records, now
        )
        groups = [group_status(group, context) for group in ready_groups(walked, spec)]
        state = state_of(groups, begun=resolved.prepared is not None)
    stage_records.note_stop(observed.attempts, stops)

    current = _current(groups)
    status = full_status(
        phase_status(run, state, started, now),
        spec=spec,
        walked=walked,
        stage_records=stage_records,
        current=current.group[0] if current else None,
        attempt=current.attempt if current else None,
        wanted=frozenset(stage.id for one in groups for stage in one.group),
        artifacts=f"{store.uri}/{run.namespace}/stages",
        before=run.status.stage,
        now=now,
    )
    starts = [one.start for one in groups if one.start is not None]
    planned = _planned(walked, resolved)
    tidy = forget(observed.attempts, run.status, planned)
    more = len(forget(observed.attempts, status, planned)) > len(tidy)
    times = [one.wake_at for one in groups] + [over_at if groups else None, now if more else None]
    wake_at = min((time for time in times if time is not None), default=None)
    return Plan((*stops, *tidy, *starts), status, wake_at)


def _rest(run: RunView, observed: Observed) -> Plan:
    """Leave a run that is over as it is, and remove what is left of it."""
    prepared = run.status.resolved is not None and "prepared" in run.status.resolved
    planned = {StageRef(r.id, r.key) for r in run.status.stages} if prepared else None
    stops = stop_all(observed.attempts, "the run is over")
    return Plan((*stops, *forget(observed.attempts, run.status, planned)), run.status, None)


def _unplannable(run: RunView, observed: Observed, problem: PlanningError, now: datetime) -> Plan:
    run_phase = RunPhase.FAILED if problem.terminal else RunPhase.STALLED
    state = State(run_phase, problem.reason, str(problem)[:1000])
    started = run.status.start_time or now
    status = phase_status(run, state, started, now)
    if problem.terminal:
        return Plan(tuple(stop_all(observed.attempts, problem.reason)), status, now)
    return Plan((), status, now + CONFIGURATION_WAIT)


def _ending(
    walked: Walk,
    stage_records: StageRecords,
    spec: SelfAlignmentRunSpec,
    over_at: datetime | None,
    now: datetime,
) -> State | None:
    """Return the state in which nothing more is started, or None."""
    fatal = [stage_records.fatal(StageRef(s.id, walked.keys[s.id])) for s in walked.stages]
    for failure in (*fatal, walked.end.failure):
        if failure is not None:
            return State(RunPhase.FAILED, failure.reason, failure.message[:2000])
    if walked.end.complete and all(stage.id in walked.results for stage in walked.stages):
        return State(RunPhase.SUCCEEDED, Reason.SUCCEEDED, "every stage is committed")
    if over_at is not None and now >= over_at:
        message = (
            f"spec.activeDeadlineSeconds = {spec.active_deadline_seconds} have passed; raise it, "
            "or set the annotation isheep.dev/retry to a new value to go on from the last commit"
        )
        return State(RunPhase.FAILED, Reason.DEADLINE_EXCEEDED, message)
    if spec.suspend:
        return State(RunPhase.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true")
    return None


def _stopped(observed: Observed, stops: Sequence[Stop]) -> Observed:
    """Return what is observed as it will be once the stops are carried out."""
    names = {stop.attempt for stop in stops}
    return replace(
        observed,
        attempts=tuple(
            replace(a, state=AttemptState.TERMINATING) if a.name in names else a
            for a in observed.attempts
        ),
    )


def _current(groups: Sequence[GroupStatus]) -> GroupStatus | None:
    """Return the group that people are shown: the furthest at work, or else the furthest."""
    at_work = [one for one in groups if one.attempt is not None]
    shown = at_work or groups
    return shown[-1] if shown else None


def _planned(walked: Walk, resolved: Resolved) -> set[StageRef] | None:
    if resolved.prepared is None:
        return None
    return {StageRef(stage.id, walked.keys[stage.id]) for stage in walked.stages}
