"""Causes for which pods do not start: each one stalls the run, and the run recovers.

The real API server, scheduler and Job controller report the causes that they can detect.
The harness's kubelet reports the other causes with the messages of a real kubelet.
"""

from __future__ import annotations

from typing import Any

import pytest

from .harness.api import MERGE_PATCH
from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import StayWaiting
from .harness.runs import Run

FROM_REPORT = Run().skip_to("i1/report")
"""prepare and report."""


@pytest.mark.parametrize(
    ("waiting", "message", "reason"),
    [
        ("CreateContainerConfigError", 'secret "s3" not found', "SecretNotFound"),
        (
            "CreateContainerConfigError",
            "couldn't find key AWS_ACCESS_KEY_ID in Secret namespace/s3",
            "SecretNotFound",
        ),
        ("CreateContainerConfigError", 'configmap "settings" not found', "ConfigMapNotFound"),
        ("ErrImagePull", "failed to resolve reference: not found", "ImagePullFailed"),
        ("ImagePullBackOff", 'Back-off pulling image "worker"', "ImagePullFailed"),
        ("InvalidImageName", 'couldn\'t parse image name "x y"', "ImagePullFailed"),
        ("ErrImageNeverPull", 'Container image "worker" is not present', "ImagePullFailed"),
        ("CreateContainerError", "context deadline exceeded", "ContainerNotStarted"),
        ("RunContainerError", "exec: python: not found in $PATH", "ContainerNotStarted"),
    ],
)
def test_a_waiting_container_stalls_the_run(
    namespace: NamespaceFixture, waiting: str, message: str, reason: str
) -> None:
    namespace.workers.set_behaviour("prepare", StayWaiting(waiting, message))
    namespace.create(FROM_REPORT)
    namespace.until_reason(reason)
    assert namespace.phase() == "Stalled"
    assert message.split(maxsplit=1)[0] in namespace.message()
    # When the cause is fixed, the same pod continues.
    namespace.workers.let_work("prepare")
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/report"]


def test_a_container_that_is_being_created_does_not_stall_the_run(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("prepare", StayWaiting("ContainerCreating", ""))
    namespace.create(FROM_REPORT)
    namespace.until_job("prepare")
    pods = namespace.core("pods")
    namespace.until(lambda: [r.path for r in list(namespace.proxy.requests)].count(pods) >= 2)
    assert namespace.phase() in ("Pending", "Running")
    namespace.workers.let_work("prepare")
    namespace.until_phase("Succeeded")
    assert "Stalled" not in namespace.phases()


def test_an_event_about_a_failed_mount_stalls_the_run(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("prepare", StayWaiting("ContainerCreating", ""))
    namespace.create(FROM_REPORT)
    namespace.until(namespace.pods)
    (pod,) = namespace.pods()
    event = {
        "metadata": {"generateName": "mount."},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": namespace.name,
            "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
        },
        "type": "Warning",
        "reason": "FailedMount",
        "message": 'MountVolume.SetUp failed for volume "seeds" : configmap "seeds" not found',
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }
    namespace.api.must("POST", namespace.core("events"), event)
    namespace.until_reason("ConfigMapNotFound")
    namespace.workers.let_work("prepare")
    namespace.until_phase("Succeeded")


def test_a_missing_service_account_stalls_the_run(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_REPORT.spec(serviceAccountName="runner"))
    namespace.until_reason("ServiceAccountNotFound")
    assert namespace.phase() == "Stalled"
    assert "runner" in namespace.message()
    namespace.api.must("POST", namespace.core("serviceaccounts"), {"metadata": {"name": "runner"}})
    namespace.until_phase("Succeeded")


def test_a_node_selector_that_matches_no_node_stalls_the_run(namespace: NamespaceFixture) -> None:
    label = f"isheep.test/{namespace.name}"[:60].strip("-")
    namespace.create(FROM_REPORT.spec(compute={"processing": {"nodeSelector": {label: "yes"}}}))
    namespace.until_reason("Unschedulable")
    assert namespace.phase() == "Stalled"
    assert "didn't match" in namespace.message()
    patch = {"metadata": {"labels": {label: "yes"}}}
    namespace.api.must("PATCH", "/api/v1/nodes/node-3", patch, content_type=MERGE_PATCH)
    namespace.until_phase("Succeeded")
    patch["metadata"]["labels"][label] = None  # type: ignore[assignment]
    namespace.api.must("PATCH", "/api/v1/nodes/node-3", patch, content_type=MERGE_PATCH)


def test_a_request_for_more_gpus_than_a_node_has_stalls_the_run(
    namespace: NamespaceFixture,
) -> None:
    gpus = {"limits": {"nvidia.com/gpu": "1000"}}
    namespace.create(Run().skip_to("i1/train").spec(compute={"training": {"resources": gpus}}))
    namespace.until_reason("Unschedulable")
    assert "Insufficient nvidia.com/gpu" in namespace.message()
    # Resources change no output, so the stage keeps its key and its Job.
    namespace.edit(compute={"training": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}})
    namespace.until(lambda: namespace.status()["observedGeneration"] == 2)
    assert namespace.reason() == "Unschedulable"
    (job,) = namespace.jobs(finished=False)
    namespace.delete_job(job["metadata"]["name"])
    namespace.until_phase("Succeeded")


def test_a_missing_claim_stalls_the_run(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_REPORT.spec(compute={"modelCache": {"claimName": "models"}}))
    namespace.until_reason("VolumeNotFound")
    assert 'persistentvolumeclaim "models" not found' in namespace.message()


@pytest.mark.parametrize(
    ("pool", "reason"),
    [
        ({"priorityClassName": "urgent"}, "PriorityClassNotFound"),
        ({"runtimeClassName": "gvisor"}, "RuntimeClassNotFound"),
    ],
)
def test_a_missing_class_stalls_the_run(
    namespace: NamespaceFixture, pool: dict[str, Any], reason: str
) -> None:
    namespace.create(FROM_REPORT.spec(compute={"processing": pool}))
    namespace.until_reason(reason)
    assert namespace.phase() == "Stalled"


def test_a_quota_of_pods_stalls_the_run(namespace: NamespaceFixture) -> None:
    quota(namespace, {"pods": "0"})
    namespace.create(FROM_REPORT)
    namespace.until_reason("QuotaExceeded")
    assert "exceeded quota" in namespace.message()
    raise_quota(namespace, {"pods": "5"})
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/report"]


def test_a_quota_of_jobs_stalls_the_run(namespace: NamespaceFixture) -> None:
    namespace.may_be_forbidden = True
    quota(namespace, {"count/jobs.batch": "0"})
    namespace.create(FROM_REPORT)
    namespace.until_reason("QuotaExceeded")
    assert namespace.phase() == "Stalled"
    raise_quota(namespace, {"count/jobs.batch": "5"})
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/report"]


def test_a_limit_range_stalls_the_run(namespace: NamespaceFixture) -> None:
    limit = {"type": "Container", "min": {"cpu": "2"}}
    document = {"metadata": {"name": "limits"}, "spec": {"limits": [limit]}}
    namespace.api.must("POST", namespace.core("limitranges"), document)
    cpu = {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    namespace.create(FROM_REPORT.spec(compute={"processing": {"resources": cpu}}))
    namespace.until_reason("LimitRangeViolated")
    namespace.api.must("DELETE", namespace.core("limitranges", "limits"))
    namespace.until_phase("Succeeded")


def test_pods_comply_with_the_restricted_security_standard(namespace: NamespaceFixture) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = f"/api/v1/namespaces/{namespace.name}"
    namespace.api.must("PATCH", path, {"metadata": {"labels": labels}}, content_type=MERGE_PATCH)
    namespace.create(FROM_REPORT)
    namespace.until_phase("Succeeded")


def test_a_job_that_a_user_suspends_stalls_the_run(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("prepare", StayWaiting("ContainerCreating", ""))
    namespace.create(FROM_REPORT)
    job = namespace.until_job("prepare")
    suspend(namespace, job, True)
    namespace.until_reason("JobSuspended")
    assert namespace.phase() == "Stalled"
    namespace.workers.let_work("prepare")
    suspend(namespace, job, False)
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/report"]


def suspend(namespace: NamespaceFixture, job: dict[str, Any], value: bool) -> None:
    path = namespace.jobs_path(job["metadata"]["name"])
    namespace.api.must("PATCH", path, {"spec": {"suspend": value}}, content_type=MERGE_PATCH)


def quota(namespace: NamespaceFixture, hard: dict[str, str]) -> None:
    document = {"metadata": {"name": "quota"}, "spec": {"hard": hard}}
    namespace.api.must("POST", namespace.core("resourcequotas"), document)
    # A quota is enforced when its controller has written its status.
    path = namespace.core("resourcequotas", "quota")
    namespace.until(lambda: namespace.api.get(path).get("status", {}).get("hard") == hard)


def raise_quota(namespace: NamespaceFixture, hard: dict[str, str]) -> None:
    path = namespace.core("resourcequotas", "quota")
    namespace.api.must("PATCH", path, {"spec": {"hard": hard}}, content_type=MERGE_PATCH)
