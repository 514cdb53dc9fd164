"""GPU accounting: the seconds in which the attempts of a run held GPUs, and what they cost.

Each pod of an attempt is charged from its start to its end, whatever became of the attempt: it was
stopped or preempted, it failed, or it succeeded. The usage in the status contains what was charged
to each pod of the attempts that exist. So only the difference is added when an attempt is seen
again, and nothing is added twice after a restart of the driver. No sum ever falls.

A pod of a stopped attempt disappears without a trace of its end. It is charged until its Job is
gone, but at most for its grace period: the driver may have been away meanwhile.

The seconds between two plans belong to the stage that the attempt executed at the first of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from isheep.api.gpu_usage import AttemptUsage, GpuUsage, IterationUsage, Prices
from isheep.api.status import IterationRecord, SelfAlignmentRunStatus, StageRecord
from isheep.contract.stage_ids import iteration_of
from isheep.planner.types import Attempt, AttemptState, Plan, PodTime, Stop

FINISHED = (AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.LOST)
MAX_GONE = 8
"""How many attempts that are gone stay in the status, so that one that appears again is known."""
MAX_FORGOTTEN = 64
"""How many pods that are gone stay in the status of an attempt: another driver may know them."""
CHARGED: Mapping[str, object] = {"pods": {}, "live": 0, "stopped_at": None, "ended": True}
"""The fields of an attempt that is charged completely."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Seconds of one pod's GPUs that are added to a stage."""

    stage: str
    seconds: float
    devices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Moment:
    """When attempts are charged, and what is known then.

    `stops` are the names of the attempts that stop now. `stages` are the ids of the run's stages; a
    pod cannot charge another one. `prices` are those of the installation, if it has any.
    """

    now: datetime
    stops: Collection[str] = ()
    stages: Collection[str] = ()
    prices: Prices | None = None


def charged(
    made: Plan,
    before: SelfAlignmentRunStatus,
    attempts: Sequence[Attempt],
    now: datetime,
    prices: Prices | None,
) -> SelfAlignmentRunStatus:
    """Return the status of a plan with the GPU time since the stored status `before`.

    `attempts` are those that exist. An attempt that the plan stops is charged until `now`.
    """
    status = made.status
    stops = {action.attempt for action in made.actions if isinstance(action, Stop)}
    moment = Moment(now, stops, {record.id for record in status.stages}, prices)
    usage, charges = account(before.gpu, _unrecorded(before, attempts), moment)
    if usage is None:
        return status
    by_stage = _by_stage(before, charges)
    shown = {record.id for record in status.stages}
    others = {stage: seconds for stage, seconds in by_stage.items() if stage not in shown}
    if others != usage.other_stages:
        usage = usage.model_copy(update={"other_stages": others})
    by_iteration = {one.iteration: sum(one.seconds.values()) for one in usage.iterations}
    counted = {record.iteration: record.gpu_seconds or 0 for record in before.history}
    return status.model_copy(
        update={
            "gpu": usage,
            "stages": tuple(
                _with_seconds(record, by_stage.get(record.id)) for record in status.stages
            ),
            "history": tuple(
                _with_seconds(
                    record,
                    _most(by_iteration.get(record.iteration), counted.get(record.iteration)),
                )
                for record in status.history
            ),
        }
    )


def _by_stage(before: SelfAlignmentRunStatus, charges: Iterable[Charge]) -> dict[str, float]:
    """Return the seconds of each stage, of all resources, with those that were added now."""
    sums = {} if before.gpu is None else dict(before.gpu.other_stages)
    shown = ((r.id, r.gpu_seconds) for r in before.stages if r.gpu_seconds is not None)
    added = ((one.stage, one.seconds * sum(one.devices.values())) for one in charges)
    for stage, seconds in (*shown, *added):
        sums[stage] = round(sums.get(stage, 0) + seconds, 1)
    return sums


RecordT = TypeVar("RecordT", StageRecord, IterationRecord)


def _with_seconds(record: RecordT, seconds: float | None) -> RecordT:
    """Return a record with its GPU seconds; the record itself if they have not changed."""
    if record.gpu_seconds == seconds:
        return record
    return record.model_copy(update={"gpu_seconds": seconds})


def account(
    before: GpuUsage | None, attempts: Sequence[Attempt], moment: Moment
) -> tuple[GpuUsage | None, Sequence[Charge]]:
    """Return the usage of a run, and what was added to `before`; None if there are no GPUs."""
    usage = before or GpuUsage()
    earlier = {(one.name, one.created): one for one in usage.attempts}
    charges: list[Charge] = []
    entries: list[AttemptUsage] = []
    for attempt in attempts:
        entry = earlier.pop((attempt.name, attempt.created), None)
        if entry is None and not (attempt.gpus and attempt.pods):
            continue
        entry, added = _seen(entry or _new(attempt), attempt, moment)
        entries.append(entry)
        charges += added
    for entry in earlier.values():
        charges += _since_stop(entry, moment.now)
    # A Job that was removed and the one that replaces it have the same name; the latter stays.
    entries = list({one.name: one for one in entries}.values())
    names = {one.name for one in entries}
    gone = sorted(
        (one for one in earlier.values() if one.name not in names), key=lambda one: one.created
    )[-MAX_GONE:]
    entries = [*(one.model_copy(update=CHARGED) for one in gone), *entries]
    if before is None and not entries:
        return None, ()
    return _added(usage, entries, charges, moment.prices), charges


def charged_at_end(
    status: SelfAlignmentRunStatus, attempts: Sequence[Attempt], now: datetime
) -> SelfAlignmentRunStatus:
    """Return the stored status of a driver that ends now, with the time of its attempts."""
    stops = tuple(Stop(attempt.name, "the driver ends") for attempt in attempts)
    prices = None if status.gpu is None else status.gpu.prices
    return charged(Plan(stops, status, None), status, attempts, now, prices)


def _unrecorded(before: SelfAlignmentRunStatus, attempts: Sequence[Attempt]) -> Sequence[Attempt]:
    """Return the attempts without those that an older version has charged to their stages."""
    if before.gpu is not None:
        return attempts
    ended = {(record.id, record.key): record.attempts for record in before.stages}
    return [
        attempt
        for attempt in attempts
        if ended.get((attempt.steps[0].id, attempt.steps[0].key), 0) < attempt.number
    ]


def _new(attempt: Attempt) -> AttemptUsage:
    stage = attempt.steps[0].id
    return AttemptUsage(
        name=attempt.name, created=attempt.created, stage=stage, devices=dict(attempt.gpus)
    )


def _seen(
    entry: AttemptUsage, attempt: Attempt, moment: Moment
) -> tuple[AttemptUsage, list[Charge]]:
    """Charge the pods of an attempt that exists; return its new entry and the charges."""
    if entry.ended:
        return entry, []
    stopped_at, grace_seconds = _stop(entry, attempt, moment)
    fields: dict[str, object] = {
        "stage": attempt.stage if attempt.stage in moment.stages else entry.stage,
        "stopped_at": stopped_at,
        "grace_seconds": grace_seconds,
    }
    charges: list[Charge] = []
    if attempt.pods is not None:
        held = {pod.id: _held(pod, stopped_at) for pod in attempt.pods}
        totals = {name: max(seconds, entry.pods.get(name, 0.0)) for name, seconds in held.items()}
        for name, seconds in totals.items():
            charges += _charge(entry, seconds - entry.pods.get(name, 0.0))
        live = sum(not pod.ended for pod in attempt.pods)
        # Of two drivers that write in turn, one may know a pod that was gone when the other began.
        forgotten = [name for name in entry.pods if name not in totals][-MAX_FORGOTTEN:]
        totals |= {name: entry.pods[name] for name in forgotten}
        fields |= {"pods": totals, "live": live}
    if attempt.state in FINISHED:
        fields |= CHARGED
    return entry.model_copy(update=fields), charges


def _held(pod: PodTime, stopped_at: datetime | None) -> float:
    """Return how long a pod has held its GPUs, in seconds."""
    if stopped_at is None or pod.ended or stopped_at <= pod.until:
        return round(pod.seconds, 1)
    return round(max(0.0, (stopped_at - pod.started).total_seconds()), 1)


def _stop(entry: AttemptUsage, attempt: Attempt, moment: Moment) -> tuple[datetime | None, int]:
    """Return until when the pods of a stopped attempt are charged, and their grace after that.

    Both move on if a pod is seen later. The time is None if the attempt is not stopped.
    """
    stopped_at, grace = attempt.deleted_at, attempt.grace_seconds
    if attempt.state in FINISHED:
        return None, 0
    if attempt.name in moment.stops:
        stopped_at = moment.now
    elif attempt.state is not AttemptState.TERMINATING:
        return None, 0
    elif entry.stopped_at is not None:
        stopped_at, grace = entry.stopped_at, entry.grace_seconds
    if stopped_at is None:
        return None, 0
    seen = max([stopped_at, *(pod.until for pod in attempt.pods or () if not pod.ended)])
    return seen, max(0, grace - round((seen - stopped_at).total_seconds()))


def _since_stop(entry: AttemptUsage, now: datetime) -> list[Charge]:
    """Charge the pods of an attempt that is gone, from its stop to now."""
    if entry.ended or entry.stopped_at is None:
        return []
    end = min(now, entry.stopped_at + timedelta(seconds=entry.grace_seconds))
    return _charge(entry, round((end - entry.stopped_at).total_seconds(), 1) * entry.live)


def _charge(entry: AttemptUsage, seconds: float) -> list[Charge]:
    return [Charge(entry.stage, seconds, entry.devices)] if seconds > 0 else []


def _added(
    usage: GpuUsage,
    entries: Sequence[AttemptUsage],
    charges: Sequence[Charge],
    prices: Prices | None,
) -> GpuUsage:
    is_same = not charges and tuple(entries) == usage.attempts
    if is_same and _kept_prices(usage.prices, prices, usage.seconds) == usage.prices:
        # Most plans add nothing, and a status is validated again.
        return usage
    total = dict(usage.seconds)
    by_iteration = {one.iteration: dict(one.seconds) for one in usage.iterations}
    for charge in charges:
        for sums in (total, by_iteration.setdefault(iteration_of(charge.stage), {})):
            for resource, count in charge.devices.items():
                sums[resource] = round(sums.get(resource, 0) + charge.seconds * count, 1)
    kept = _kept_prices(usage.prices, prices, total)
    return GpuUsage(
        seconds=total,
        cost=cost_of(total, kept),
        prices=kept,
        iterations=tuple(
            IterationUsage(iteration=t, seconds=seconds)
            for t, seconds in sorted(by_iteration.items())
        ),
        other_stages=usage.other_stages,
        attempts=tuple(entries),
    )


def _kept_prices(
    before: Prices | None, prices: Prices | None, seconds: Mapping[str, float]
) -> Prices | None:
    """Return the prices of a run: each resource keeps the price with which it was first charged."""
    if prices is None or (before is not None and before.currency != prices.currency):
        return before
    earlier = {} if before is None else before.per_hour
    new = {name: price for name, price in prices.per_hour.items() if name in seconds}
    kept = {**new, **earlier}
    return Prices(currency=prices.currency, per_hour=kept) if kept else before


def cost_of(seconds: Mapping[str, float], prices: Prices | None) -> float | None:
    """Return the cost of seconds by resource; None if no resource has a price."""
    rates = {} if prices is None else prices.per_hour
    parts = [time / 3600 * rates[name] for name, time in seconds.items() if name in rates]
    return round(sum(parts), 4) if parts else None


def _most(first: float | None, second: float | None) -> float | None:
    """Return the larger value; an older version may have counted more; None if both are 0."""
    return round(max(first or 0, second or 0), 1) or None
