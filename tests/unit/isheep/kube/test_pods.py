"""What pods say, in the words of real kubelets, schedulers and Job controllers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from isheep.contract.order import Outcome, parse_result
from isheep.kube.pods import (
    TAIL_CHARACTERS,
    Ending,
    EventRecord,
    PodRecord,
    how_ended,
    pod_record,
    why_no_pods,
    why_waiting,
)
from isheep.planner.types import Waiting

from .builders import at, condition, pod_json, result_text, terminated

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


# --- records ----------------------------------------------------------------------------


def test_a_pod_that_was_made_just_now() -> None:
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


def test_only_the_worker_speaks_for_its_pod() -> None:
    document = pod_json(phase="Running", podIP="10.0.0.7", state={"running": {"startedAt": at(9)}})
    record = pod_record(document)
    assert record.running_since == datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)
    assert record.address == "10.0.0.7"
    document["status"]["containerStatuses"].pop()
    assert pod_record(document).running_since is None


def test_a_pod_that_has_ended() -> None:
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
def test_a_container_that_never_began_has_no_times(times: dict[str, Any]) -> None:
    """The kubelet says so of a container that it does not find any more."""
    state = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", **times}}
    end = pod(phase="Failed", state=state).termination
    assert end is not None
    assert (end.exit_code, end.started, end.finished) == (137, None, None)


@pytest.mark.parametrize(("status", "disrupted"), [("True", True), ("False", False)])
def test_a_disruption_is_a_condition_that_holds(status: str, disrupted: bool) -> None:
    assert pod(conditions=[condition("DisruptionTarget", status)]).disrupted == disrupted


# --- why a pod does not run -------------------------------------------------------------

SECRET = "create it in the run's namespace, with the keys that the spec's field says"
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
NODES = "no node fits now; correct resources or placement in spec.compute if none ever will"


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
    assert found.message == ("a b" + "c" * 5000)[:TAIL_CHARACTERS]


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


# --- how pods ended ---------------------------------------------------------------------


def ended(code: int, message: str = "", **fields: Any) -> PodRecord:
    phase = "Succeeded" if code == 0 else "Failed"
    extra = fields.pop("terminated", {})
    return pod(phase=phase, state=terminated(code, message, **extra), **fields)


DISRUPTED = [condition("DisruptionTarget")]


@pytest.mark.parametrize(
    ("one", "code", "disrupted", "message"),
    [
        (ended(64), 64, False, f"{POD} ended with exit code 64"),
        (ended(69), 69, False, f"{POD} ended with exit code 69"),
        (ended(1, "Traceback\n  boom\n"), 1, False, "exit code 1; its log ends: Traceback boom"),
        (ended(137), 137, False, "exit code 137: it was killed from outside"),
        (ended(137, "last words"), 137, False, "exit code 137; its log ends: last words"),
        (
            ended(137, "words", terminated={"reason": "OOMKilled"}),
            137,
            False,
            "was killed at its memory limit (OOMKilled): raise resources.limits.memory of its pool",
        ),
        # A process of the worker's may be killed and the worker end by itself.
        (ended(70, terminated={"reason": "OOMKilled"}), 70, False, "(OOMKilled)"),
        (ended(143, conditions=DISRUPTED), 143, True, f"{POD} ended with exit code 143"),
        (
            pod(
                phase="Failed",
                reason="Evicted",
                message="The node was low on resource: ephemeral-storage.",
                conditions=DISRUPTED,
            ),
            None,
            True,
            f"{POD} failed: Evicted The node was low on resource: ephemeral-storage.",
        ),
        (
            pod(
                phase="Failed",
                reason="UnexpectedAdmissionError",
                message="Pod was rejected: Allocate failed due to no healthy devices present",
            ),
            None,
            False,
            f"{POD} failed: UnexpectedAdmissionError Pod was rejected: Allocate failed due to no "
            "healthy devices present",
        ),
        (
            pod(phase="Failed", state={"running": {"startedAt": at(1)}}, conditions=DISRUPTED),
            None,
            True,
            f"{POD} failed: its node was lost",
        ),
    ],
    ids=[
        "64",
        "69",
        "log",
        "killed",
        "killed with a log",
        "OOM",
        "OOM of a child",
        "drained",
        "evicted",
        "refused by the node",
        "node lost",
    ],
)
def test_how_a_pod_without_a_result_ended(
    one: PodRecord, code: int | None, disrupted: bool, message: str
) -> None:
    found = how_ended([one])
    assert (found.results, found.exit_code, found.pod) == ((), code, POD)
    assert found.disrupted == disrupted
    assert found.message is not None
    assert message in found.message


@pytest.mark.parametrize("code", [64, 69, 70, 74, 80])
def test_a_result_says_more_than_a_log(code: int) -> None:
    text = result_text(Outcome.FAILED, exit_code=code, reason="ModelNotFound", message="no model")
    found = how_ended([ended(code, text)])
    (result,) = found.results
    assert (result.exit_code, result.reason) == (code, "ModelNotFound")
    assert (found.exit_code, found.message, found.pod) == (code, "no model", POD)


def test_a_result_without_a_message_is_told_as_a_death() -> None:
    found = how_ended([ended(70, result_text(Outcome.FAILED, exit_code=70))])
    assert found.message is not None
    assert found.message.startswith(f"{POD} ended with exit code 70")


def test_what_committed() -> None:
    text = result_text()
    assert how_ended([ended(0, text)]) == Ending(results=(parse_result(text),))


def test_nothing_is_known_of_pods_that_are_gone() -> None:
    assert how_ended([]) == Ending()


@pytest.mark.parametrize("message", ["", "no JSON", "[]", '{"outcome": "Well"}', "7", "null"])
def test_a_message_that_does_not_parse_is_a_log(message: str) -> None:
    assert how_ended([ended(0, message)]).results == ()


def test_a_log_that_ends_in_brackets_is_a_log() -> None:
    assert how_ended([ended(1, "[" * 2048)]).results == ()


def test_a_logs_end_is_its_end() -> None:
    found = how_ended([ended(1, "a" * 1000 + "the cause")])
    assert found.message is not None
    assert found.message.endswith("a" * (TAIL_CHARACTERS - 9) + "the cause")
    assert len(found.message) < TAIL_CHARACTERS + 100


LOST = result_text(Outcome.FAILED, exit_code=69, reason="PeerUnreachable", message="gone")


def late(code: int, message: str = "", seconds: int = 300, **fields: Any) -> PodRecord:
    return ended(code, message, terminated={"finishedAt": at(seconds)}, **fields)


@pytest.mark.parametrize(
    ("pods", "telling"),
    [
        ([ended(0, name="a"), ended(1, name="b")], "b"),
        ([late(1, name="a", seconds=61), late(1, name="b", seconds=62)], "b"),
        # One that ended the Job tells why, though others were killed for it afterwards.
        ([late(70, name="a", seconds=61), late(143, name="b", seconds=99)], "a"),
        ([late(64, name="a", seconds=61), late(137, name="b", seconds=99)], "a"),
        ([late(80, name="a", seconds=61), late(1, name="b", seconds=99)], "a"),
        ([late(1, name="a", seconds=61), late(69, name="b", seconds=99)], "b"),
        # One that has lost another one of its training is not what the other died of.
        ([late(137, name="a", seconds=61), late(69, LOST, name="b", seconds=99)], "a"),
        (
            [
                late(143, name="a", seconds=61, conditions=DISRUPTED),
                late(69, LOST, name="b", seconds=99),
            ],
            "a",
        ),
        ([late(69, LOST, name="a", seconds=61), ended(0, name="b")], "a"),
        (
            [late(1, name="a", seconds=61), late(143, name="b", seconds=99, conditions=DISRUPTED)],
            "a",
        ),
        (
            [late(70, name="a", seconds=61, conditions=DISRUPTED), late(1, name="b", seconds=99)],
            "a",
        ),
        ([late(1, name="a", seconds=61), pod(name="b", phase="Failed", reason="Evicted")], "a"),
        ([pod(name="a", phase="Failed"), ended(0, name="b")], "a"),
    ],
    ids=[
        "who failed",
        "who was last",
        "a defect",
        "bad input",
        "a full device",
        "not what is tried again",
        "not who lost another",
        "not who lost one that was disrupted",
        "who lost one that is gone",
        "not who was disrupted",
        "a defect though disrupted",
        "who has an end",
        "who has none",
    ],
)
def test_of_several_pods_one_tells(pods: list[PodRecord], telling: str) -> None:
    for order in (pods, pods[::-1]):
        assert how_ended(order).pod == telling


def test_all_results_are_read() -> None:
    partial = result_text(Outcome.PARTIAL)
    pods = [
        ended(0, partial, name="a"),
        ended(1, "no result", name="b"),
        ended(0, result_text(), name="c"),
        pod(name="d", phase="Running"),
    ]
    found = how_ended(pods)
    assert [r.outcome for r in found.results] == [Outcome.PARTIAL, Outcome.COMMITTED]
    assert found.pod == "b"


def test_pods_that_still_run_tell_nothing() -> None:
    """A message is written at the end; a container that is restarted has an old one."""
    assert how_ended([pod(phase="Running", state=terminated(0, result_text()))]) == Ending()
