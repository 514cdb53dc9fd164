"""What keeps pods from running: each cause is named, stalls the run, ends nothing, and mends.

What the real API server, scheduler and Job controller can be brought to say, they say
here. What only a kubelet says is told by the harness's, in the words of a real one.
"""

from __future__ import annotations

from typing import Any

import pytest

from .harness.api import MERGE_PATCH
from .harness.behaviour import Wait
from .harness.runs import Run
from .harness.scene import Scene

LAST = Run().skip_to("i1/report")
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
def test_a_container_that_waits(scene: Scene, waiting: str, message: str, reason: str) -> None:
    scene.workshop.tell("prepare", Wait(waiting, message))
    scene.create(LAST)
    scene.until_reason(reason)
    assert scene.phase() == "Stalled"
    assert message.split(maxsplit=1)[0] in scene.message()
    # Nothing ends it but that it is mended, and then the very same pod goes on.
    scene.workshop.mend("prepare")
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/report"]


def test_a_container_that_is_being_created_is_not_stalled(scene: Scene) -> None:
    scene.workshop.tell("prepare", Wait("ContainerCreating", ""))
    scene.create(LAST)
    scene.until_job("prepare")
    pods = scene.core("pods")
    scene.until(lambda: [r.path for r in scene.proxy.requests].count(pods) >= 2)
    assert scene.phase() in ("Pending", "Running")
    scene.workshop.mend("prepare")
    scene.until_phase("Succeeded")
    assert "Stalled" not in scene.phases()


def test_a_volume_that_cannot_be_mounted_is_told_by_an_event(scene: Scene) -> None:
    scene.workshop.tell("prepare", Wait("ContainerCreating", ""))
    scene.create(LAST)
    scene.until(scene.pods)
    (pod,) = scene.pods()
    event = {
        "metadata": {"generateName": "mount."},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": scene.namespace,
            "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
        },
        "type": "Warning",
        "reason": "FailedMount",
        "message": 'MountVolume.SetUp failed for volume "seeds" : configmap "seeds" not found',
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }
    scene.api.must("POST", scene.core("events"), event)
    scene.until_reason("ConfigMapNotFound")
    scene.workshop.mend("prepare")
    scene.until_phase("Succeeded")


def test_a_missing_service_account(scene: Scene) -> None:
    scene.create(LAST.spec(serviceAccountName="runner"))
    scene.until_reason("ServiceAccountNotFound")
    assert scene.phase() == "Stalled"
    assert "runner" in scene.message()
    scene.api.must("POST", scene.core("serviceaccounts"), {"metadata": {"name": "runner"}})
    scene.until_phase("Succeeded")


def test_no_node_fits(scene: Scene) -> None:
    label = f"isheep.test/{scene.namespace}"[:60].strip("-")
    scene.create(LAST.spec(compute={"processing": {"nodeSelector": {label: "yes"}}}))
    scene.until_reason("Unschedulable")
    assert scene.phase() == "Stalled"
    assert "didn't match" in scene.message()
    patch = {"metadata": {"labels": {label: "yes"}}}
    scene.api.must("PATCH", "/api/v1/nodes/node-3", patch, content_type=MERGE_PATCH)
    scene.until_phase("Succeeded")
    patch["metadata"]["labels"][label] = None  # type: ignore[assignment]
    scene.api.must("PATCH", "/api/v1/nodes/node-3", patch, content_type=MERGE_PATCH)


def test_more_gpus_than_a_node_has(scene: Scene) -> None:
    gpus = {"limits": {"nvidia.com/gpu": "1000"}}
    scene.create(Run().skip_to("i1/train").spec(compute={"training": {"resources": gpus}}))
    scene.until_reason("Unschedulable")
    assert "Insufficient nvidia.com/gpu" in scene.message()
    # What the pods ask for changes no output, so the stage keeps its key and its Job.
    scene.edit(compute={"training": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}})
    scene.until(lambda: scene.status()["observedGeneration"] == 2)
    assert scene.reason() == "Unschedulable"
    (job,) = scene.jobs(finished=False)
    scene.delete_job(job["metadata"]["name"])
    scene.until_phase("Succeeded")


def test_a_missing_claim(scene: Scene) -> None:
    scene.create(LAST.spec(compute={"modelCache": {"claimName": "models"}}))
    scene.until_reason("VolumeNotFound")
    assert 'persistentvolumeclaim "models" not found' in scene.message()


@pytest.mark.parametrize(
    ("pool", "reason"),
    [
        ({"priorityClassName": "urgent"}, "PriorityClassNotFound"),
        ({"runtimeClassName": "gvisor"}, "RuntimeClassNotFound"),
    ],
)
def test_a_missing_class(scene: Scene, pool: dict[str, Any], reason: str) -> None:
    scene.create(LAST.spec(compute={"processing": pool}))
    scene.until_reason(reason)
    assert scene.phase() == "Stalled"


def test_a_quota_of_pods(scene: Scene) -> None:
    quota(scene, {"pods": "0"})
    scene.create(LAST)
    scene.until_reason("QuotaExceeded")
    assert "exceeded quota" in scene.message()
    raise_quota(scene, {"pods": "5"})
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/report"]


def test_a_quota_of_jobs(scene: Scene) -> None:
    scene.may_be_forbidden = True
    quota(scene, {"count/jobs.batch": "0"})
    scene.create(LAST)
    scene.until_reason("QuotaExceeded")
    assert scene.phase() == "Stalled"
    raise_quota(scene, {"count/jobs.batch": "5"})
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/report"]


def test_a_limit_range(scene: Scene) -> None:
    limit = {"type": "Container", "min": {"cpu": "2"}}
    document = {"metadata": {"name": "limits"}, "spec": {"limits": [limit]}}
    scene.api.must("POST", scene.core("limitranges"), document)
    cpu = {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    scene.create(LAST.spec(compute={"processing": {"resources": cpu}}))
    scene.until_reason("LimitRangeViolated")
    scene.api.must("DELETE", scene.core("limitranges", "limits"))
    scene.until_phase("Succeeded")


def test_pods_are_fit_for_the_restricted_security_standard(scene: Scene) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = f"/api/v1/namespaces/{scene.namespace}"
    scene.api.must("PATCH", path, {"metadata": {"labels": labels}}, content_type=MERGE_PATCH)
    scene.create(LAST)
    scene.until_phase("Succeeded")


def test_a_job_that_somebody_suspended(scene: Scene) -> None:
    scene.workshop.tell("prepare", Wait("ContainerCreating", ""))
    scene.create(LAST)
    job = scene.until_job("prepare")
    suspend(scene, job, True)
    scene.until_reason("JobSuspended")
    assert scene.phase() == "Stalled"
    scene.workshop.mend("prepare")
    suspend(scene, job, False)
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/report"]


def suspend(scene: Scene, job: dict[str, Any], value: bool) -> None:
    path = scene.jobs_path(job["metadata"]["name"])
    scene.api.must("PATCH", path, {"spec": {"suspend": value}}, content_type=MERGE_PATCH)


def quota(scene: Scene, hard: dict[str, str]) -> None:
    document = {"metadata": {"name": "quota"}, "spec": {"hard": hard}}
    scene.api.must("POST", scene.core("resourcequotas"), document)
    # A quota counts once its controller has seen it.
    path = scene.core("resourcequotas", "quota")
    scene.until(lambda: scene.api.get(path).get("status", {}).get("hard") == hard)


def raise_quota(scene: Scene, hard: dict[str, str]) -> None:
    path = scene.core("resourcequotas", "quota")
    scene.api.must("PATCH", path, {"spec": {"hard": hard}}, content_type=MERGE_PATCH)
