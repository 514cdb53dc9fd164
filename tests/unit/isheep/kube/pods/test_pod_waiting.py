"""The reasons for which pods wait, with messages of real kubelets, schedulers and controllers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isheep.kube.pods.pod_records import EventRecord, PodRecord, pod_record
from isheep.kube.pods.pod_waiting import MESSAGE_CHARACTERS, only_sidecars, why_waiting
from isheep.planner.types import Waiting

from ..builders import at, condition, pod_json, terminated

POD = "run-respond-abc-0-x"


def pod(**fields: Any) -> PodRecord:
    return pod_record(pod_json(**fields))


def waiting_pod(reason: str, message: str = "", **fields: Any) -> PodRecord:
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return pod(state=state, conditions=[condition("PodScheduled")], **fields)


def unscheduled(message: str, reason: str = "Unschedulable", **fields: Any) -> PodRecord:
    return pod(
        conditions=[condition("PodScheduled", "False", reason=reason, message=message)], **fields
    )


SECRET = "create it in the run's namespace, with the keys that the spec's field names"
CONFIG_MAP = "create it in the run's namespace, or correct its name in the spec"
IMAGE = "push the image, or correct image or imagePullSecrets in spec.compute"
PULL = (
    'Back-off pulling image "registry.example/worker:9": ErrImagePull: failed to pull and unpack '
    'image "registry.example/worker:9": failed to resolve reference "registry.example/worker:9": '
    "registry.example/worker:9: not found"
)


@pytest.mark.parametrize(
    ("reason", "message", "expected", "remedy"),
    [
        ("ErrImagePull", "rpc error: code = NotFound desc = not found", "ImagePullFailed", IMAGE),
        ("ImagePullBackOff", PULL, "ImagePullFailed", IMAGE),
        (
            "InvalidImageName",
            'Failed to apply default image tag "Worker": couldn\'t parse image name "Worker": '
            "invalid reference format: repository name must be lowercase",
            "ImagePullFailed",
            IMAGE,
        ),
        (
            "ErrImageNeverPull",
            'Container image "worker:1" is not present with pull policy of Never',
            "ImagePullFailed",
            IMAGE,
        ),
        ("ImageInspectError", 'Failed to inspect image "worker:1"', "ImagePullFailed", IMAGE),
        ("RegistryUnavailable", "registry is unavailable", "ImagePullFailed", IMAGE),
        ("SignatureValidationFailed", "signature is invalid", "ImagePullFailed", IMAGE),
        ("CreateContainerConfigError", 'secret "s3" not found', "SecretNotFound", SECRET),
        (
            "CreateContainerConfigError",
            "couldn't find key AWS_ACCESS_KEY_ID in Secret ns/s3",
            "SecretNotFound",
            SECRET,
        ),
        (
            "CreateContainerConfigError",
            'configmap "env" not found',
            "ConfigMapNotFound",
            CONFIG_MAP,
        ),
        (
            "CreateContainerConfigError",
            "couldn't find key LEVEL in ConfigMap ns/env",
            "ConfigMapNotFound",
            CONFIG_MAP,
        ),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root",
            "ContainerNotStarted",
            None,
        ),
        (
            "CreateContainerError",
            'failed to generate container "5d": failed to generate spec: path "/x" not found',
            "ContainerNotStarted",
            None,
        ),
        (
            "RunContainerError",
            "failed to create containerd task: failed to create shim task: OCI runtime create "
            'failed: exec: "python": executable file not found in $PATH',
            "ContainerNotStarted",
            None,
        ),
        ("StartError", "failed to start", "ContainerNotStarted", None),
    ],
)
def test_a_waiting_container_has_its_reason_and_the_remedy(
    reason: str, message: str, expected: str, remedy: str | None
) -> None:
    found = why_waiting([waiting_pod(reason, message)], [])
    text = " ".join(message.split())
    assert found == Waiting(expected, f"{text} ({remedy})" if remedy else text, stalled=True)


def test_a_waiting_container_without_a_message_has_its_reason_as_message() -> None:
    found = why_waiting([waiting_pod("ErrImagePull")], [])
    assert found is not None
    assert found.message == f"ErrImagePull ({IMAGE})"


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "UnknownReason"])
def test_a_container_that_starts_normally_is_not_stalled(reason: str) -> None:
    starting = Waiting("Starting", f"{POD}: {reason}", stalled=False)
    assert why_waiting([waiting_pod(reason)], []) == starting


def test_a_new_pod_has_no_reason() -> None:
    assert why_waiting([pod()], []) is None


VOLUME = "create the claim in the run's namespace, or correct its name in the spec"
NODES = "add or free a node, or correct resources and placement in spec.compute"


@pytest.mark.parametrize(
    ("message", "expected", "remedy"),
    [
        (
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are "
            "available: 3 No preemption victims found for incoming pod.",
            "Unschedulable",
            NODES,
        ),
        (
            "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: true}. preemption: "
            "0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
            "Unschedulable",
            NODES,
        ),
        (
            '0/1 nodes are available: persistentvolumeclaim "models" not found. preemption: 0/1 '
            "nodes are available: 1 Preemption is not helpful for scheduling.",
            "VolumeNotFound",
            VOLUME,
        ),
        (
            '0/1 nodes are available: persistentvolumeclaim "models" is being deleted.',
            "VolumeNotFound",
            VOLUME,
        ),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            "Unschedulable",
            NODES,
        ),
        ("no nodes available to schedule pods", "Unschedulable", NODES),
    ],
    ids=["no GPU", "taint", "no claim", "claim is deleted", "claim is unbound", "no nodes"],
)
def test_an_unschedulable_pod_has_its_reason_and_the_remedy(
    message: str, expected: str, remedy: str
) -> None:
    found = why_waiting([unscheduled(message)], [])
    assert found == Waiting(expected, f"{message} ({remedy})", stalled=True)


def test_a_pod_with_a_scheduling_gate_is_queued() -> None:
    held = unscheduled("Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated")
    held = replace(held, gates=("example.com/checked", "example.com/paid"))
    found = why_waiting([held], [])
    assert found is not None
    assert (found.reason, found.stalled) == ("Queued", False)
    assert POD in found.message
    assert "the scheduling gate example.com/checked, example.com/paid delays" in found.message


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "config-0" : configmap "prompts" not found',
            "ConfigMapNotFound",
        ),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "config-0" : references non-existent config key: '
            "seeds.jsonl",
            "ConfigMapNotFound",
        ),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "token" : references non-existent secret key: t',
            "SecretNotFound",
        ),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "token" : secret "s3" not found',
            "SecretNotFound",
        ),
        (
            "FailedMount",
            'MountVolume.MountDevice failed for volume "pvc-1" : rpc error: code = Aborted desc = '
            "an operation with the given Volume ID already exists",
            "VolumeNotMounted",
        ),
        (
            "FailedAttachVolume",
            'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one '
            "node and can't be attached to another",
            "VolumeInUse",
        ),
        ("FailedMapVolume", 'MapVolume.SetUpDevice failed for volume "pvc-1"', "VolumeNotMounted"),
        (
            "FailedCreatePodSandBox",
            'Failed to create pod sandbox: rpc error: code = Unknown desc = plugin type="calico" '
            "failed (add): error getting ClusterInformation",
            "ContainerNotStarted",
        ),
        (
            "FailedCreatePodSandBox",
            "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox "
            'runtime: no runtime for "nvidia" is configured',
            "ContainerNotStarted",
        ),
    ],
)
def test_a_reason_that_only_events_contain_is_read_from_them(
    reason: str, message: str, expected: str
) -> None:
    events = [EventRecord("Scheduled", "Successfully assigned"), EventRecord(reason, message)]
    found = why_waiting([waiting_pod("ContainerCreating")], events)
    assert found is not None
    assert (found.reason, found.stalled) == (expected, True)
    assert found.message.startswith(message)
    without_event = why_waiting([waiting_pod("ContainerCreating")], events[:1])
    assert without_event is not None
    assert without_event.reason == "Starting"


def test_the_latest_event_has_the_reason() -> None:
    events = [
        EventRecord("FailedMount", 'configmap "prompts" not found'),
        EventRecord("FailedCreatePodSandBox", "network"),
    ]
    found = why_waiting([waiting_pod("ContainerCreating")], events)
    assert found is not None
    assert found.reason == "ConfigMapNotFound"


@pytest.mark.parametrize("later", ["Pulling", "Pulled", "Created"])
def test_a_failure_before_a_later_success_is_ignored(later: str) -> None:
    """A new node has no network for a while, and then it pulls an image of 10 GB."""
    events = [
        EventRecord(later, 'Pulling image "worker:1"'),
        EventRecord("FailedCreatePodSandBox", "Failed to create pod sandbox: no network yet"),
    ]
    found = why_waiting([waiting_pod("ContainerCreating")], events)
    assert found is not None
    assert not found.stalled


RUNNING = pod(name="a", phase="Running", state={"running": {"startedAt": at(1)}})


@pytest.mark.parametrize(
    "others",
    [
        [],
        [RUNNING],
        [pod(name="a")],
        [waiting_pod("ContainerCreating", name="a")],
        [waiting_pod("ErrImagePull", name="a", deletionTimestamp=at(3))],
        [pod(name="a", phase="Failed", state=terminated(1))],
        [waiting_pod("ErrImagePull", "later", name="a", index=5)],
        [waiting_pod("ErrImagePull", "later", name="z", index=1)],
    ],
    ids=[
        "no other pod",
        "running",
        "new",
        "creating",
        "being deleted",
        "ended",
        "later index",
        "later name",
    ],
)
def test_the_reason_is_that_of_the_first_stalled_pod(others: list[PodRecord]) -> None:
    stalled = waiting_pod("CreateContainerConfigError", 'secret "s3" not found', name="b", index=1)
    for pods in ([*others, stalled], [stalled, *others]):
        found = why_waiting(pods, [])
        assert found is not None
        assert found.reason == "SecretNotFound"


def test_a_message_is_one_line_of_limited_length() -> None:
    found = why_waiting([waiting_pod("CreateContainerError", "a \n\t b" + "c" * 5000)], [])
    assert found is not None
    assert found.message == ("a b" + "c" * 5000)[:MESSAGE_CHARACTERS]


def with_claims(record: PodRecord, *claims: str) -> PodRecord:
    return replace(record, claims=claims)


def test_a_claim_that_another_node_uses_is_named() -> None:
    message = 'Multi-Attach error for volume "pvc-8a4d" Volume is already used by pod(s) other-0-x'
    creating = with_claims(waiting_pod("ContainerCreating"), "cache")
    found = why_waiting([creating], [EventRecord("FailedAttachVolume", message)])
    assert found is not None
    assert (found.reason, found.stalled) == ("VolumeInUse", True)
    assert found.message.startswith("claim cache: Multi-Attach error")
    message = "0/1 nodes are available: 1 node(s) had volume node affinity conflict."
    found = why_waiting([with_claims(unscheduled(message), "cache", "models")], [])
    assert found is not None
    assert (found.reason, found.message[:21]) == ("Unschedulable", "claim cache, models: ")
    message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    found = why_waiting([with_claims(unscheduled(message), "cache")], [])
    assert found is not None
    assert found.message.startswith("0/1 nodes")


def test_an_init_container_that_crashes_stalls_the_run() -> None:
    crashing = waiting_pod("CrashLoopBackOff", "init container proxy: back-off 10s restarting")
    found = why_waiting([crashing], [])
    assert found is not None
    assert (found.reason, found.stalled) == ("ContainerNotStarted", True)
    assert found.message.startswith("init container proxy")


def ended_beside(code: int = 0, **fields: Any) -> PodRecord:
    return pod(phase="Running", state=terminated(code), **fields)


def test_only_other_containers_go_on_if_the_worker_of_each_index_has_ended() -> None:
    done = pod(name="done", phase="Succeeded", state=terminated(0), index=1)
    failed = pod(name="failed", phase="Failed", state=terminated(1))
    works = pod(name="works", phase="Running", state={"running": {"startedAt": at(1)}}, index=1)
    found = only_sidecars([ended_beside()], 1)
    assert found is not None
    assert (found.reason, found.stalled) == ("SidecarRunning", False)
    assert "the container istio-proxy of its pod goes on" in found.message
    assert only_sidecars([ended_beside(), done], 2) is not None
    assert only_sidecars([failed, ended_beside()], 1) is not None
    assert only_sidecars([ended_beside(), works], 2) is None
    # The Job controller has not replaced the pod of the other index yet.
    assert only_sidecars([ended_beside()], 2) is None
    assert only_sidecars([done], 1) is None
    assert only_sidecars([ended_beside(deletionTimestamp=at(9))], 1) is None
    assert only_sidecars([replace(ended_beside(), others_running=())], 1) is None
