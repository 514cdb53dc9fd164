"""How long the pods of a Job hold their GPUs, from the inspections of its pods. Pure.

A pod holds its GPUs from the time when the kubelet accepts it, so the pull of its image counts, to
the end of its worker. The operator does not watch pods. So the end of a pod that disappears between
two inspections is the last time at which it was seen, and later inspections remember it.

The status gets the time of a pod that goes on in steps, because each step is a write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from isheep.kube.pods.pod_records import PodRecord
from isheep.planner.types import PodTime

STEP = timedelta(minutes=5)
"""How often the time of a pod that goes on advances in the status."""
MAX_GONE = 64
"""The largest number of pods that are remembered after they have disappeared."""
ID_CHARACTERS = 12


def pod_times(
    before: Sequence[PodTime] | None, pods: Iterable[PodRecord], now: datetime
) -> tuple[PodTime, ...]:
    """Return the times of the pods in a LIST at `now`, and of pods in `before` that are gone."""
    listed = [time for pod in pods if (time := _pod_time(pod, now)) is not None]
    ids = {time.id for time in listed}
    gone = [replace(time, ended=True) for time in before or () if time.id not in ids]
    return (*gone[-MAX_GONE:], *listed)


def at_work(times: tuple[PodTime, ...] | None, seen: datetime | None) -> tuple[PodTime, ...] | None:
    """Return the times of pods that were all at work at `seen`; unchanged if it is None."""
    if times is None or seen is None:
        return times
    return tuple(
        time if time.ended else replace(time, until=max(time.until, seen)) for time in times
    )


def live(times: Sequence[PodTime] | None) -> int:
    """Return how many of the pods have not ended."""
    return sum(not time.ended for time in times or ())


def in_steps(
    times: Sequence[PodTime] | None, changed: datetime | None
) -> tuple[PodTime, ...] | None:
    """Return the times for the status: whole steps for pods that go on, up to `changed` at least.

    `changed` is when the pods began another stage, so that the time before belongs to the last one.
    """
    if times is None:
        return None
    return tuple(time if time.ended else _stepped(time, changed) for time in times)


def _stepped(time: PodTime, changed: datetime | None) -> PodTime:
    until = time.started + (time.until - time.started) // STEP * STEP
    if changed is not None:
        until = max(until, min(changed, time.until))
    return replace(time, until=until)


def _pod_time(pod: PodRecord, now: datetime) -> PodTime | None:
    """Return the time of a pod; None if no kubelet has accepted it yet."""
    if pod.accepted is None:
        return None
    end = _end(pod)
    name = pod.uid.replace("-", "")[-ID_CHARACTERS:]
    if end is not None:
        return PodTime(name, pod.accepted, max(pod.accepted, end), ended=True)
    # After the time of its deletion, a pod exists only in the API, because its node is lost.
    until = now if pod.gone_by is None else min(now, pod.gone_by)
    return PodTime(name, pod.accepted, max(pod.accepted, until))


def _end(pod: PodRecord) -> datetime | None:
    if pod.termination is not None and pod.termination.finished is not None:
        return pod.termination.finished
    if pod.over:
        return pod.disrupted_at or pod.gone_by or pod.accepted
    return None
