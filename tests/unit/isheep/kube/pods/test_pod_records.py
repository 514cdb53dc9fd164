"""Records of pods: the values that are read from their JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from isheep.kube.pods.pod_records import EVENT_CHARACTERS, PodRecord, event_record, pod_record

from ..builders import at, condition, pod_json, terminated

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


def test_a_pod_waits_for_the_image_of_its_sandbox() -> None:
    """The kubelet starts the sandbox first, so the state of the worker says nothing about it."""
    document = pod_json(state={"waiting": {"reason": "PodInitializing"}})
    assert pod_record(document).waiting == ("PodInitializing", "")
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    document["status"]["initContainerStatuses"] = [{"name": "sandbox", "state": state}]
    expected = ("ImagePullBackOff", "init container sandbox: no such image")
    assert pod_record(document).waiting == expected
    running = {"name": "sandbox", "started": True, "state": {"running": {"startedAt": at(1)}}}
    document["status"]["initContainerStatuses"] = [running]
    assert pod_record(document).waiting == ("PodInitializing", "")


def with_init(*states: dict[str, Any], **fields: Any) -> PodRecord:
    document = pod_json(state={"waiting": {"reason": "PodInitializing"}}, **fields)
    document["status"]["initContainerStatuses"] = [
        {"name": f"init-{number}", **state} for number, state in enumerate(states)
    ]
    return pod_record(document)


PULL = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
RUNNING = {"state": {"running": {"startedAt": at(1)}}}
DONE = {"state": {"terminated": {"exitCode": 0}}}


@pytest.mark.parametrize(
    ("states", "waiting"),
    [
        ((PULL,), ("ImagePullBackOff", "init container init-0: no such image")),
        ((DONE, PULL), ("ImagePullBackOff", "init container init-1: no such image")),
        (
            ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}},),
            ("CrashLoopBackOff", "init container init-0: CrashLoopBackOff"),
        ),
        ((RUNNING,), ("PodInitializing", "the init container init-0 runs")),
        # A sidecar that has started does not delay the next container.
        (
            ({**RUNNING, "started": True}, PULL),
            ("ImagePullBackOff", "init container init-1: no such image"),
        ),
        ((DONE, {"state": {"waiting": {"reason": "PodInitializing"}}}), ("PodInitializing", "")),
        ((), ("PodInitializing", "")),
    ],
)
def test_an_init_container_explains_why_the_worker_waits(
    states: tuple[dict[str, Any], ...], waiting: tuple[str, str]
) -> None:
    assert with_init(*states).waiting == waiting


def test_the_init_container_that_failed_is_read() -> None:
    failed = {"state": {"terminated": {"exitCode": 3}}}
    assert with_init(DONE, failed, phase="Failed").failed_init == ("init-1", 3)
    assert with_init(DONE).failed_init is None


def test_a_sidecar_that_the_kubelet_has_stopped_is_no_init_container_that_failed() -> None:
    document = pod_json(phase="Failed")
    stopped = {"state": {"terminated": {"exitCode": 137}}}
    document["status"]["initContainerStatuses"] = [{"name": "istio-proxy", **stopped}]
    document["spec"] = {"initContainers": [{"name": "istio-proxy", "restartPolicy": "Always"}]}
    assert pod_record(document).failed_init is None


def test_a_pod_lingers_if_only_its_other_containers_go_on() -> None:
    record = pod(phase="Running", state=terminated(0))
    assert (record.lingers, record.others_running) == (True, ("istio-proxy",))
    assert not pod(phase="Running", state={"running": {"startedAt": at(9)}}).lingers
    assert not pod(phase="Succeeded", state=terminated(0)).lingers


def test_the_claims_of_a_pod_are_read_from_its_volumes() -> None:
    document = pod_json()
    sources: list[dict[str, Any]] = [{"emptyDir": {}}]
    sources += [{"persistentVolumeClaim": {"claimName": name}} for name in ("models", "cache")]
    document["spec"] = {"volumes": sources}
    assert pod_record(document).claims == ("cache", "models")


@pytest.mark.parametrize("index", ["", "one", "-1", "9" * 5000])
def test_an_index_that_somebody_has_edited_is_0(index: str) -> None:
    document = pod_json()
    document["metadata"]["annotations"] = {"batch.kubernetes.io/job-completion-index": index}
    assert pod_record(document).index == 0


def test_the_record_of_an_event_has_the_beginning_of_its_message() -> None:
    record = event_record({"reason": "FailedMount", "message": "m" * 1_000_000})
    assert (record.reason, len(record.message)) == ("FailedMount", EVENT_CHARACTERS)
    assert event_record({"message": None}).message == ""
