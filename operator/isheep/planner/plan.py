"""plan(): the next actions for a run, its new status, and the time of the next plan.

The steps, in order:

1. A run that has ended gets no new work; only its remaining attempts are removed.
2. Pin the spec, add the results of the attempts to the stage records, and walk the recipe over
   the committed stages.
3. Decide whether the run ends now: failed, complete, past its deadline, or suspended.
4. Otherwise decide for each group of ready stages whether it runs, waits or starts.
5. Build the status from all of this, and charge the GPU time of all attempts.

The function is pure and safe to repeat. The same inputs give the same plan. If a driver performed
only some of the actions, or did not store the status, the next plan contains what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.reasons import Reason
from isheep.contract.store_spec import StoreSpec
from isheep.planner import restart
from isheep.planner.best import improves_nothing
from isheep.planner.cleanup import removals
from isheep.planner.conditions import RunPhase, State
from isheep.planner.deadline import deadline, start_time
from isheep.planner.expiry import with_expiry
from isheep.planner.gpu_accounting import charged
from isheep.planner.groups import (
    CONFIGURATION_WAIT,
    GroupStatus,
    PlanningContext,
    Rank,
    group_status,
    on_one_machine,
    state_of,
)
from isheep.planner.orders import ready_groups, resolve_store
from isheep.planner.pinning import PlanningError, Resolved, pin, recipe_of, spec_of
from isheep.planner.run_limit import held_back, wait_message
from isheep.planner.stage_records import StageRecords
from isheep.planner.status import full_status, phase_status
from isheep.planner.stops import LEFT, departed, stop_all, stopping
from isheep.planner.types import (
    AttemptState,
    Environment,
    Observed,
    Plan,
    RunView,
    StageRef,
    Stop,
)
from isheep.planner.walk import Walk, walk, writers_of
from isheep.recipes.decisions import waits_for_verdicts


def plan(run: RunView, observed: Observed, now: datetime, environment: Environment) -> Plan:
    """Return the actions for a run at the time `now`; all times have a time zone."""
    if run.deleting:
        return Plan((), run.status, None)
    made = _plan(run, observed, now, environment)
    charges = (*observed.gone, *observed.attempts)
    status = charged(made, run.status, charges, now, environment.prices)
    return with_expiry(replace(made, status=status), run, observed, now, environment)


def _plan(run: RunView, observed: Observed, now: datetime, environment: Environment) -> Plan:
    if restart.is_over(run):
        return _ended(run, observed)
    try:
        resolved = pin(run, environment.worker_image, retried=restart.takes_new_image(run))
        spec = spec_of(resolved)
        store = _store(spec, environment)
    except PlanningError as problem:
        return _unplannable(run, observed, problem, now)

    stage_records = StageRecords(restart.records(run), resolved)
    stage_records.note_stops(observed.stopped)
    stage_records.add_attempts(observed.attempts, now)
    walked = _walked(spec, stage_records)
    resolved, spec = stage_records.resolved, spec_of(stage_records.resolved)
    started = start_time(
        run.status.start_time, suspended=spec.suspend, restarts=restart.restarts_clock(run), now=now
    )
    over_at = deadline(spec, started)

    groups: list[GroupStatus] = []
    wait = None
    state = _ending(walked, stage_records, spec, over_at, now)
    ends_at = None
    if isinstance(store, PlanningError) and state is not None and state.phase == "Succeeded":
        # A run does not end before the places of its results are known.
        state = State(RunPhase.STALLED, store.reason, str(store)[:1000])
        ends_at = now + CONFIGURATION_WAIT
    leaving = observed.attempts
    if state is not None:
        stops = stop_all(leaving, state.reason)
    else:
        leaving = tuple(departed(leaving, walked, spec, resolved))
        stops = stop_all(leaving, LEFT)
        context = PlanningContext(
            run, _stopped(observed, stops), environment, spec, walked, stage_records, now
        )
        groups = [group_status(group, context) for group in ready_groups(walked, spec, environment)]
        if environment.pods is None:
            groups = on_one_machine(groups)
        if any(one.start is not None for one in groups):
            wait = wait_message(run, observed, environment)
        if wait is not None:
            groups = held_back(groups, wait, now)
            # The deadline counts from the first work.
            begins = run.status.start_time is None or restart.restarts_clock(run)
            started = None if begins else started
            over_at = deadline(spec, started)
        state = _going_on(walked, groups, begun=resolved.prepared is not None)
    stage_records.note_stops(stopping(leaving))

    current = _current(groups)
    status = full_status(
        phase_status(run, state, started, now, stage_records.of(walked)),
        spec=spec,
        walked=walked,
        stage_records=stage_records,
        current=current.group[0] if current else None,
        attempt=current.attempt if current else None,
        wanted=frozenset(stage.id for one in groups for stage in one.group),
        artifacts=(
            None if isinstance(store, PlanningError) else f"{store.uri}/{run.namespace}/stages"
        ),
        before=run.status.stage,
        now=now,
    )
    starts = [one.start for one in groups if one.start is not None]
    planned = _planned(walked, resolved)
    tidy = removals(observed.attempts, run.status, planned, stage_records.news)
    more = len(removals(observed.attempts, status, planned)) > len(tidy)
    is_open = bool(groups) or walked.end.missing is not None
    times = [one.wake_at for one in groups]
    times += [over_at if is_open else None, now if more else None, ends_at]
    wake_at = min((time for time in times if time is not None), default=None)
    return Plan((*stops, *tidy, *starts), status, wake_at, waits_for_place=wait is not None)


def _walked(spec: SelfAlignmentRunSpec, stage_records: StageRecords) -> Walk:
    """Walk the recipe, and keep the decisions of its iterations if a rule has made them."""
    resolved = stage_records.resolved
    walked = walk(
        recipe_of(spec), spec, resolved.prepared, resolved.stage_versions, stage_records.lookup
    )
    decides = waits_for_verdicts(spec) or resolved.writers is not None
    if decides and resolved.prepared is not None:
        stage_records.keep_writers(writers_of(walked))
    return walked


def _ended(run: RunView, observed: Observed) -> Plan:
    """Return the plan of a run that has ended: keep its status and remove its attempts.

    A retry annotation without anything to retry is handled, so that the run is at rest.
    """
    status = run.status.model_copy(update={"last_handled_retry": restart.handled(run)})
    prepared = run.status.resolved is not None and "prepared" in run.status.resolved
    planned = {StageRef(r.id, r.key) for r in run.status.stages} if prepared else None
    stops = stop_all(observed.attempts, "the run has ended")
    return Plan((*stops, *removals(observed.attempts, run.status, planned)), status, None)


def _unplannable(run: RunView, observed: Observed, problem: PlanningError, now: datetime) -> Plan:
    """Return the plan of a run whose spec is wrong: it fails until an edit."""
    state = State(RunPhase.FAILED, problem.reason, str(problem)[:1000])
    started = run.status.start_time or now
    status = phase_status(run, state, started, now)
    return Plan(tuple(stop_all(observed.attempts, problem.reason)), status, now)


def _store(spec: SelfAlignmentRunSpec, environment: Environment) -> StoreSpec | PlanningError:
    """Return the store of a run, or why it has none now; raises a terminal `PlanningError`.

    A run without a store starts nothing (`groups`). Its attempts go on, and a suspension, its
    deadline, an edit and a retry have their effect.
    """
    try:
        return resolve_store(spec, environment)
    except PlanningError as problem:
        if problem.terminal:
            raise
        return problem


def _ending(
    walked: Walk,
    stage_records: StageRecords,
    spec: SelfAlignmentRunSpec,
    over_at: datetime | None,
    now: datetime,
) -> State | None:
    """Return the state of a run that starts nothing more, or None if the run continues."""
    is_over = over_at is not None and now >= over_at
    left = [stage for stage in walked.stages if stage.id not in walked.results]
    fatal = {s.id: stage_records.fatal(StageRef(s.id, walked.keys[s.id])) for s in left}
    # The run's own results end it when its report is made, or cannot be made.
    own = walked.end.failure
    if own is not None and (is_over or all(fatal[stage.id] for stage in left)):
        return State(RunPhase.FAILED, own.reason, own.message[:2000])
    for failure in fatal.values() if own is None else ():
        if failure is not None:
            return State(RunPhase.FAILED, failure.reason, failure.message[:2000])
    if walked.end.complete and not left:
        return _completed(walked)
    if is_over:
        message = (
            f"spec.activeDeadlineSeconds = {spec.active_deadline_seconds} have passed; raise it, "
            "or set the annotation isheep.dev/retry to a new value to resume from the last commit"
        )
        return State(RunPhase.FAILED, Reason.DEADLINE_EXCEEDED, message)
    if spec.suspend:
        return State(RunPhase.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true")
    return None


def _completed(walked: Walk) -> State:
    stopped = walked.end.stopped
    message = "every stage is committed" if stopped is None else stopped.message
    reason = Reason.SUCCEEDED if stopped is None else Reason.STOPPED_EARLY
    if improves_nothing(walked):
        message += "; no model is significantly better than M(0)"
        reason = Reason.NO_IMPROVEMENT if stopped is None else reason
    return State(RunPhase.SUCCEEDED, reason, message)


def _going_on(walked: Walk, groups: Sequence[GroupStatus], *, begun: bool) -> State:
    """Return the state of a run that has not ended and is not suspended."""
    missing = walked.end.missing
    if missing is not None and all(one.rank is not Rank.RUNNING for one in groups):
        return State(RunPhase.STALLED, Reason.EVALUATION_MISSING, missing)
    return state_of(groups, begun=begun)


def _stopped(observed: Observed, stops: Sequence[Stop]) -> Observed:
    """Return the observed state after the stops: each stopped attempt is terminating.

    One that the cluster has refused to create has nothing to terminate.
    """
    names = {stop.attempt for stop in stops}
    return replace(
        observed,
        attempts=tuple(
            replace(a, state=AttemptState.TERMINATING) if a.name in names else a
            for a in observed.attempts
            if not (a.rejected and a.name in names)
        ),
    )


def _current(groups: Sequence[GroupStatus]) -> GroupStatus | None:
    """Return the group that the status shows: the last one that runs, or else the last one."""
    at_work = [one for one in groups if one.attempt is not None]
    shown = at_work or groups
    return shown[-1] if shown else None


def _planned(walked: Walk, resolved: Resolved) -> set[StageRef] | None:
    if resolved.prepared is None:
        return None
    return {StageRef(stage.id, walked.keys[stage.id]) for stage in walked.stages}
