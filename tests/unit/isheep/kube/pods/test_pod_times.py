"""The time in which pods hold their GPUs: from their documents, and between inspections."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from isheep.kube.pods.pod_records import PodRecord, pod_record
from isheep.kube.pods.pod_times import MAX_GONE, at_work, in_steps, live, pod_times
from isheep.planner.types import PodTime

from ..builders import at, condition, pod_json, terminated
from ..virtual_time import START


def after(seconds: float) -> Any:
    return START + timedelta(seconds=seconds)


def a_pod(name: str = "a", accepted: int | None = 10, **fields: Any) -> PodRecord:
    document = pod_json(name, uid=f"0b4c1c1e-0000-4000-8000-{name:>012}", **fields)
    if accepted is not None:
        document["status"]["startTime"] = at(accepted)
    return pod_record(document)


RUNNING = {"running": {"startedAt": at(40)}}
DISRUPTED = condition("DisruptionTarget", lastTransitionTime=at(70))


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        # No kubelet has accepted it, so it holds no GPU.
        (a_pod(accepted=None), None),
        # The pull of the image counts.
        (a_pod(), (10, 100, False)),
        (a_pod(phase="Running", state=RUNNING), (10, 100, False)),
        (a_pod(phase="Succeeded", state=terminated(0)), (10, 60, True)),
        (a_pod(phase="Failed", state=terminated(1)), (10, 60, True)),
        # A sidecar goes on after the worker.
        (a_pod(phase="Running", state=terminated(0)), (10, 60, True)),
        # Evicted before its container started.
        (a_pod(phase="Failed", conditions=[DISRUPTED]), (10, 70, True)),
        # It is being deleted, and its node is lost.
        (a_pod(phase="Running", state=RUNNING, deletionTimestamp=at(80)), (10, 80, False)),
        (a_pod(phase="Failed"), (10, 10, True)),
    ],
)
def test_the_time_of_a_pod(pod: PodRecord, expected: tuple[int, int, bool] | None) -> None:
    found = [
        ((t.started - START).total_seconds(), (t.until - START).total_seconds(), t.ended)
        for t in pod_times(None, [pod], after(100))
    ]
    assert found == ([] if expected is None else [expected])


def test_a_pod_that_disappears_ended_when_it_was_last_seen() -> None:
    first = at_work(pod_times(None, [a_pod("a"), a_pod("b")], after(30)), after(90))
    assert live(first) == 2
    second = pod_times(first, [a_pod("b")], after(100))
    gone, left = second
    assert (gone.until, gone.ended, left.ended) == (after(90), True, False)
    assert pod_times(second, [a_pod("b")], after(110))[0] == gone
    many = [a_pod(str(number)) for number in range(MAX_GONE + 5)]
    assert len(pod_times(pod_times(None, many, after(30)), [], after(40))) == MAX_GONE
    assert at_work(None, after(1)) is None


def test_the_time_of_a_pod_that_goes_on_advances_in_steps_and_at_a_new_stage() -> None:
    running = PodTime("a", after(10), after(10 + 299))
    ended = PodTime("b", after(10), after(50), ended=True)
    assert in_steps((running, ended), None) == (PodTime("a", after(10), after(10)), ended)
    assert in_steps((running,), after(200)) == (PodTime("a", after(10), after(200)),)
    # The time of a poll is never after the pod was seen.
    assert in_steps((running,), after(999)) == (running,)
    later = PodTime("a", after(10), after(10 + 700))
    assert in_steps((later,), after(200)) == (PodTime("a", after(10), after(610)),)
    assert in_steps(None, None) is None
