"""Why pods do not run, with messages of real kubelets, schedulers and Job controllers."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.kube.pod_records import EventRecord, PodRecord, pod_record
from isheep.kube.pod_waiting import MESSAGE_CHARACTERS, why_no_pods, why_waiting
from isheep.planner.types import Waiting

from .builders import at, condition, pod_json, terminated

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
    ("reason", "message", "called", "remedy"),
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
def test_why_a_container_waits(reason: str, message: str, called: str, remedy: str | None) -> None:
    found = why_waiting([waiting_pod(reason, message)], [])
    text = " ".join(message.split())
    assert found == Waiting(called, f"{text} ({remedy})" if remedy else text, stalled=True)


def test_a_reason_without_a_message_is_the_message() -> None:
    found = why_waiting([waiting_pod("ErrImagePull")], [])
    assert found is not None
    assert found.message == f"ErrImagePull ({IMAGE})"


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "Unheard"])
def test_what_takes_its_time_is_no_trouble(reason: str) -> None:
    starting = Waiting("Starting", f"{POD}: {reason}", stalled=False)
    assert why_waiting([waiting_pod(reason)], []) == starting


def test_a_pod_that_was_made_just_now_says_nothing() -> None:
    assert why_waiting([pod()], []) is None


VOLUME = "create the claim in the run's namespace, or correct its name in the spec"
NODES = "add or free a node, or correct resources and placement in spec.compute"


@pytest.mark.parametrize(
    ("message", "called", "remedy"),
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
    ids=["no GPU", "taint", "no claim", "claim goes", "claim unbound", "no nodes"],
)
def test_why_no_node_takes_a_pod(message: str, called: str, remedy: str) -> None:
    found = why_waiting([unscheduled(message)], [])
    assert found == Waiting(called, f"{message} ({remedy})", stalled=True)


def test_a_scheduling_gate_is_a_queue() -> None:
    held = unscheduled("Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated")
    found = why_waiting([held], [])
    assert found is not None
    assert (found.reason, found.stalled) == ("Queued", False)
    assert POD in found.message


@pytest.mark.parametrize(
    ("reason", "message", "called"),
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
            "VolumeNotMounted",
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
def test_what_only_events_tell(reason: str, message: str, called: str) -> None:
    events = [EventRecord("Scheduled", "Successfully assigned"), EventRecord(reason, message)]
    found = why_waiting([waiting_pod("ContainerCreating")], events)
    assert found is not None
    assert (found.reason, found.stalled) == (called, True)
    assert found.message.startswith(message)
    untold = why_waiting([waiting_pod("ContainerCreating")], events[:1])
    assert untold is not None
    assert untold.reason == "Starting"


def test_of_events_the_latest_tells() -> None:
    events = [
        EventRecord("FailedMount", 'configmap "prompts" not found'),
        EventRecord("FailedCreatePodSandBox", "network"),
    ]
    found = why_waiting([waiting_pod("ContainerCreating")], events)
    assert found is not None
    assert found.reason == "ConfigMapNotFound"


@pytest.mark.parametrize("later", ["Pulling", "Pulled", "Created"])
def test_a_trouble_that_is_over_is_none(later: str) -> None:
    """A node that has just come has no network for a while, and pulls 10 GB afterwards."""
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
    ids=["alone", "running", "new", "creating", "going", "over", "later index", "later name"],
)
def test_the_first_pod_that_tells_tells(others: list[PodRecord]) -> None:
    telling = waiting_pod("CreateContainerConfigError", 'secret "s3" not found', name="b", index=1)
    for pods in ([*others, telling], [telling, *others]):
        found = why_waiting(pods, [])
        assert found is not None
        assert found.reason == "SecretNotFound"


def test_messages_are_one_line_of_bounded_length() -> None:
    found = why_waiting([waiting_pod("CreateContainerError", "a \n\t b" + "c" * 5000)], [])
    assert found is not None
    assert found.message == ("a b" + "c" * 5000)[:MESSAGE_CHARACTERS]


FORBIDDEN = 'Error creating: pods "run-respond-abc-0-" is forbidden: '


@pytest.mark.parametrize(
    ("message", "called"),
    [
        (
            'error looking up service account ns/runner: serviceaccount "runner" not found',
            "ServiceAccountNotFound",
        ),
        ("no PriorityClass with name urgent was found", "PriorityClassNotFound"),
        ('pod rejected: RuntimeClass "nvidia" not found', "RuntimeClassNotFound"),
        (
            "exceeded quota: gpus, requested: requests.nvidia.com/gpu=4, used: "
            "requests.nvidia.com/gpu=6, limited: requests.nvidia.com/gpu=8",
            "QuotaExceeded",
        ),
        ('violates PodSecurity "restricted:latest": seccompProfile', "PodSecurityViolated"),
        ("maximum cpu usage per Container is 2, but limit is 4", "LimitRangeViolated"),
        ("maximum memory usage per Pod is 1Gi, but limit is 8Gi", "LimitRangeViolated"),
        (
            "[minimum cpu usage per Container is 1, but request is 500m, minimum memory usage per "
            "Container is 1Gi. No request is specified]",
            "LimitRangeViolated",
        ),
        ("minimum memory usage per Pod is 1Gi, but request is 1Mi", "LimitRangeViolated"),
        ("failed quota: all: must specify limits.cpu for: worker", "QuotaExceeded"),
    ],
)
def test_why_a_job_has_no_pods(message: str, called: str) -> None:
    """Their Events come between others of the Job's."""
    events = [
        EventRecord("Suspended", "Job suspended"),
        EventRecord("FailedCreate", FORBIDDEN + message),
        EventRecord("FailedCreate", "earlier"),
    ]
    found = why_no_pods(events)
    assert found is not None
    assert (found.reason, found.stalled) == (called, True)
    assert found.message.startswith(FORBIDDEN + message)


def test_a_job_whose_pods_were_created_since_has_no_trouble() -> None:
    events = [
        EventRecord("SuccessfulCreate", "Created pod: run-respond-abc-0-x"),
        EventRecord("FailedCreate", FORBIDDEN + "exceeded quota: gpus"),
    ]
    assert why_no_pods(events) is None


@pytest.mark.parametrize(
    "message",
    [
        "maximum nvidia.com/gpu usage per Container is 1, but limit is 2",
        "maximum ephemeral-storage usage per Container is 1Gi, but limit is 2Gi",
        "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
    ],
)
def test_limit_ranges_know_other_resources_too(message: str) -> None:
    found = why_no_pods([EventRecord("FailedCreate", FORBIDDEN + message)])
    assert found is not None
    assert found.reason == "LimitRangeViolated"


@pytest.mark.parametrize("events", [[], [EventRecord("Suspended", "Job suspended")]])
def test_a_job_whose_pods_are_to_come(events: list[EventRecord]) -> None:
    assert why_no_pods(events) is None
