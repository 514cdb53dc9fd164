"""Records of pods: the values that are read from their JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from isheep.kube.pod_records import PodRecord, pod_record

from .builders import at, condition, pod_json, terminated

POD = "run-respond-abc-0-x"


def pod(**fields: Any) -> PodRecord:
    return pod_record(pod_json(**fields))


def test_the_record_of_a_new_pod_is_pending() -> None:
    record = pod(index=3)
    assert (record.name, record.uid, record.phase) == (POD, f"uid of {POD}", "Pending")
    assert (record.index, record.address, record.deleting, record.disrupted) == (
        3,
        None,
        False,
        False,
    )
    assert (record.unschedulable, record.waiting, record.running_since) == (None, None, None)
    assert record.termination is None
    assert not record.over
    assert pod_record({"metadata": {"name": "a", "uid": "b"}}).phase == "Pending"


def test_only_the_status_of_the_worker_container_is_read() -> None:
    document = pod_json(phase="Running", podIP="10.0.0.7", state={"running": {"startedAt": at(9)}})
    record = pod_record(document)
    assert record.running_since == datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)
    assert record.address == "10.0.0.7"
    document["status"]["containerStatuses"].pop()
    assert pod_record(document).running_since is None


def test_the_record_of_an_ended_pod_has_its_termination() -> None:
    record = pod(
        phase="Failed",
        state=terminated(70, "words"),
        conditions=[condition("PodScheduled"), condition("DisruptionTarget")],
        deletionTimestamp=at(80),
    )
    end = record.termination
    assert end is not None
    assert (end.exit_code, end.reason, end.message) == (70, "Error", "words")
    assert end.started == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert end.finished == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert (record.over, record.disrupted, record.deleting) == (True, True, True)


@pytest.mark.parametrize("times", [{}, {"startedAt": None, "finishedAt": None}])
def test_a_container_that_did_not_start_has_no_times(times: dict[str, Any]) -> None:
    """The kubelet reports this state for a container that it cannot find."""
    state = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", **times}}
    end = pod(phase="Failed", state=state).termination
    assert end is not None
    assert (end.exit_code, end.started, end.finished) == (137, None, None)


@pytest.mark.parametrize(("status", "disrupted"), [("True", True), ("False", False)])
def test_a_pod_is_disrupted_if_the_condition_is_true(status: str, disrupted: bool) -> None:
    assert pod(conditions=[condition("DisruptionTarget", status)]).disrupted == disrupted
