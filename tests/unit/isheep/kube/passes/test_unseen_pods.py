"""Pods that no scheduler and no kubelet has looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from isheep.kube.passes.attempts import PodObservation
from isheep.kube.passes.unseen_pods import GRACE, after_grace, why_none, why_unseen
from isheep.kube.pods.pod_records import EventRecord, PodRecord, pod_record

from ..builders import a_job, at, condition, pod_json
from ..virtual_time import START

POD = "run-respond-abc-0-x"
UID = f"uid of {POD}"


def pod(spec: dict[str, Any], status: dict[str, Any] | None = None, **fields: Any) -> PodRecord:
    document = pod_json(**fields)
    document["spec"] = {"schedulerName": "volcano", **spec}
    document["status"] |= status or {}
    return pod_record(document)


def test_a_pod_without_a_scheduler_stalls_the_run() -> None:
    found = why_unseen([pod({})])
    assert found is not None
    assert (found.reason, found.stalled) == ("Unschedulable", True)
    assert (
        f'the scheduler "volcano" says nothing about the pod {POD}: it does not run'
        in found.message
    )
    assert "correct resources and placement" in found.message


def test_a_pod_that_no_kubelet_has_accepted_says_which_node_is_silent() -> None:
    bound = {"conditions": [condition("PodScheduled")]}
    found = why_unseen([pod({"nodeName": "a"}, bound)])
    assert found is not None
    assert (found.reason, found.stalled) == ("NodeLost", False)
    assert f"the node a has not accepted the pod {POD}" in found.message
    assert why_unseen([pod({"nodeName": "a"}, {**bound, "startTime": at(2)})]) is None


@pytest.mark.parametrize(
    "seen",
    [
        pod({}, {"conditions": [condition("PodScheduled", "False", reason="Unschedulable")]}),
        pod({"resourceClaims": [{"name": "gpu"}]}),
        pod({}, phase="Failed"),
        pod({}, deletionTimestamp=at(9)),
    ],
    ids=["considered", "claim of devices", "over", "deleting"],
)
def test_other_pods_have_other_causes(seen: PodRecord) -> None:
    assert why_unseen([seen]) is None


def test_a_job_that_never_had_a_pod_stalls_the_run() -> None:
    found = why_none(a_job(), [])
    assert found is not None
    assert (found.reason, found.stalled) == ("PodsNotCreated", True)
    assert "kube-controller-manager" in found.message
    # The controller waits before it replaces a pod that somebody has deleted.
    assert why_none(a_job(), [EventRecord("SuccessfulCreate", "")]) is None
    assert why_none(a_job(status={"failed": 1}), []) is None


def test_the_cause_counts_after_two_inspections() -> None:
    """A scheduler needs some time, and a wrong clock could make a new pod look old."""
    found = PodObservation(START, waiting=why_unseen([pod({})]))
    first = after_grace(found, None)
    assert (first.waiting, first.unseen) == (None, (UID, START))
    soon = after_grace(replace(found, at=START + GRACE - timedelta(seconds=1)), first)
    assert (soon.waiting, soon.unseen) == (None, (UID, START))
    late = after_grace(replace(found, at=START + GRACE), soon)
    assert late.waiting == found.waiting
    assert after_grace(PodObservation(START + GRACE), late).unseen is None
    # Another pod has the grace again.
    new = after_grace(replace(found, at=START + GRACE), replace(soon, unseen=("other", START)))
    assert (new.waiting, new.unseen) == (None, (UID, START + GRACE))
