"""The pod template of a Job: pool, image, environment, credentials and security."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from isheep.kube.cache.records import job_record
from isheep.kube.job_building.jobs import Installation
from isheep.planner.types import JobWalk

from .builders import RUN_UID, a_start, a_step
from .job_documents import POOLS, env_of, job_for, mounts_of, pod_of, worker_of

AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["h100"]}]}
            ]
        }
    }
}


CLAIMS = [
    {"name": "gpus", "resourceClaimTemplateName": "two-gpus"},
    {"name": "network", "resourceClaimTemplateName": "nic"},
]
TOLERATIONS = [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]


def as_stored(job: dict[str, Any]) -> dict[str, Any]:
    """Return a Job with the metadata that an API server adds."""
    added = {"uid": "job-1", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {**job, "metadata": {**job["metadata"], **added}}


def without_empty(value: Any) -> Any:
    """Return JSON without empty lists, which mean the same as an absent field."""
    if isinstance(value, dict):
        return {k: without_empty(v) for k, v in value.items() if v != []}
    return [without_empty(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("kind", "pool"), POOLS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodeSelector", {"gpu": "h100"}),
        ("tolerations", TOLERATIONS),
        ("affinity", AFFINITY),
        ("priorityClassName", "low"),
        ("runtimeClassName", "nvidia"),
        ("schedulerName", "volcano"),
        ("imagePullSecrets", [{"name": "pull"}]),
        ("terminationGracePeriodSeconds", 600),
        ("resourceClaims", CLAIMS),
    ],
)
def test_a_field_of_a_pool_is_a_field_of_its_pods_only(
    kind: str, pool: str, field: str, value: Any
) -> None:
    compute = {pool: {field: value}}
    assert without_empty(pod_of(job_for(a_start(kind), compute=compute))[field]) == value
    for other, _ in POOLS:
        plain = pod_of(job_for(a_start(other)))
        changed = pod_of(job_for(a_start(other), compute=compute))
        assert (changed != plain) == (other == kind)


@pytest.mark.parametrize(
    "kind",
    ["prepare", "generate", "curate", "respond", "assess", "select", "train", "merge", "report"],
)
def test_each_kind_of_stage_runs_in_its_pool(kind: str) -> None:
    compute = {pool: {"nodeSelector": {"pool": pool}} for _, pool in POOLS}
    job = job_for(a_start(kind), compute=compute)
    pool = job["metadata"]["labels"]["isheep.dev/pool"]
    assert pod_of(job)["nodeSelector"] == {"pool": pool}
    wanted = {"train": "training", "generate": "inference", "respond": "inference"}
    wanted["assess"] = "inference"
    assert pool == wanted.get(kind, "processing")


def test_the_resources_of_a_pool_are_those_of_the_container() -> None:
    resources = {
        "requests": {"cpu": "4", "memory": "16Gi"},
        "limits": {"nvidia.com/gpu": 1, "memory": "32Gi"},
    }
    found = worker_of(job_for(compute={"inference": {"resources": resources}}))["resources"]
    assert found == {
        "requests": {"cpu": "4", "memory": "16Gi"},
        "limits": {"nvidia.com/gpu": "1", "memory": "32Gi"},
    }


def test_the_worker_gets_the_devices_of_all_claims_of_its_pool() -> None:
    limits = {"limits": {"memory": "32Gi"}}
    job = job_for(compute={"inference": {"resources": limits, "resourceClaims": CLAIMS}})
    claims = [{"name": "gpus"}, {"name": "network"}]
    assert worker_of(job)["resources"] == {"requests": {}, **limits, "claims": claims}
    assert job_record(as_stored(job)).gpus == {
        "resource.k8s.io/two-gpus": 1,
        "resource.k8s.io/nic": 1,
    }


@pytest.mark.parametrize(
    ("pool", "pinned", "image"),
    [("own:2", "worker:1", "own:2"), (None, "worker:1", "worker:1"), (None, "", "chart-image:1")],
    ids=["pool", "run", "chart"],
)
def test_the_image_is_that_of_the_pool_or_of_the_run_or_of_the_chart(
    pool: str | None, pinned: str, image: str
) -> None:
    compute = {"inference": {"image": pool}} if pool else {}
    job = job_for(worker_image=pinned, compute=compute)
    assert worker_of(job)["image"] == image
    assert env_of(job)["ISHEEP_IMAGE"] == image


def test_the_image_pull_policy_is_that_of_the_chart() -> None:
    chart = Installation("chart-image:1", "Never", None, {})
    assert worker_of(job_for(chart=chart))["imagePullPolicy"] == "Never"


def test_seccomp_is_named_and_app_armor_is_named_if_the_chart_sets_it() -> None:
    context = pod_of(job_for())["securityContext"]
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "appArmorProfile" not in context
    chart = Installation("i", "Always", None, {}, app_armor_profile="RuntimeDefault")
    named, profile = job_for(chart=chart), {"appArmorProfile": {"type": "RuntimeDefault"}}
    assert pod_of(named)["securityContext"] == {**context, **profile}
    of_container = worker_of(job_for())["securityContext"]
    assert worker_of(named)["securityContext"] == {**of_container, **profile}


def test_the_service_account_is_that_of_the_spec() -> None:
    assert pod_of(job_for(serviceAccountName="runner"))["serviceAccountName"] == "runner"
    assert "serviceAccountName" not in pod_of(job_for())


def test_labels_of_a_pool_cannot_replace_the_labels_of_the_operator() -> None:
    pool = {
        "podLabels": {"team": "a", "isheep.dev/run-uid": "another"},
        "podAnnotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
    }
    template = job_for(compute={"inference": pool})["spec"]["template"]["metadata"]
    assert template["labels"]["team"] == "a"
    assert template["labels"]["isheep.dev/run-uid"] == RUN_UID
    assert template["annotations"] == pool["podAnnotations"]


def test_variables_of_the_user_come_last_and_replace_others() -> None:
    env = [
        {"name": "HF_HUB_OFFLINE", "value": "1"},
        {"name": "HOME", "value": "/elsewhere"},
        {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "o", "key": "k"}}},
        {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
    ]
    storage = {"s3": {"bucket": "bucket", "secretRef": {"name": "s3"}}}
    job = job_for(compute={"inference": {"env": env}}, storage=storage)
    assert worker_of(job)["env"][-4:] == env
    found = env_of(job)
    assert found["HOME"] == "/elsewhere"
    assert found["AWS_SECRET_ACCESS_KEY"] == {"secretKeyRef": {"name": "o", "key": "k"}}
    assert found["AWS_ACCESS_KEY_ID"] == {
        "secretKeyRef": {"name": "s3", "key": "AWS_ACCESS_KEY_ID"}
    }


def test_the_grace_period_is_in_the_environment() -> None:
    job = job_for(compute={"inference": {"terminationGracePeriodSeconds": 600}})
    assert env_of(job)["ISHEEP_GRACE_SECONDS"] == "600"


def test_the_number_of_threads_is_the_cpu_limit() -> None:
    source = {"resourceFieldRef": {"containerName": "worker", "resource": "limits.cpu"}}
    limited = job_for(compute={"inference": {"resources": {"limits": {"cpu": "4"}}}})
    assert env_of(limited)["OMP_NUM_THREADS"] == source
    requested = job_for(compute={"inference": {"resources": {"requests": {"cpu": "4"}}}})
    assert "OMP_NUM_THREADS" not in env_of(requested)
    own = {
        "resources": {"limits": {"cpu": "4"}},
        "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
    }
    assert env_of(job_for(compute={"inference": own}))["OMP_NUM_THREADS"] == "1"


def keys_of(secret: str) -> dict[str, Any]:
    """Return the AWS variables that read this Secret."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    found: dict[str, Any] = {n: {"secretKeyRef": {"name": secret, "key": n}} for n in names}
    # Only credentials that expire have a session token.
    found["AWS_SESSION_TOKEN"]["secretKeyRef"]["optional"] = True
    return found


WITH_SECRET = {"s3": {"bucket": "bucket", "secretRef": {"name": "own"}}}
WITHOUT_SECRET = {"s3": {"bucket": "bucket"}}


@pytest.mark.parametrize(
    ("storage", "default", "secret"),
    [
        (WITH_SECRET, None, "own"),
        (WITH_SECRET, "chart", "own"),
        # The credentials of the installation are not for a bucket of the run.
        (WITHOUT_SECRET, "chart", None),
        (WITHOUT_SECRET, None, None),
        (None, "chart", "chart"),
        (None, None, None),
    ],
    ids=[
        "run",
        "run, and the chart has credentials",
        "bucket without credentials",
        "bucket without credentials, and the chart has none",
        "chart",
        "no credentials",
    ],
)
def test_the_credentials_belong_to_the_storage_that_the_run_uses(
    storage: dict[str, Any] | None, default: str | None, secret: str | None
) -> None:
    chart = Installation("i", "Always", default, {})
    found = env_of(job_for(chart=chart, storage=storage))
    aws = {name: value for name, value in found.items() if name.startswith("AWS_")}
    assert aws == ({} if secret is None else keys_of(secret))


def test_the_token_of_the_model_is_read_from_its_secret() -> None:
    found = env_of(job_for(model={"secretRef": {"name": "hf"}}))
    assert found["HF_TOKEN"] == {"secretKeyRef": {"name": "hf", "key": "token"}}
    assert "HF_TOKEN" not in env_of(job_for())


def test_only_pods_that_ask_the_endpoint_get_its_key() -> None:
    endpoint = {"url": "https://judge.example.com", "model": "m", "secretRef": {"name": "judge"}}
    asking = a_step("assess").model_copy(update={"settings": {"endpoint": {"model": "m"}}})
    whole = replace(a_start("respond"), walk=JobWalk("Run", "claim", "digest"))
    starts = {
        "prepare": a_start("prepare"),
        "asks": a_start("assess", steps=(asking,)),
        "whole run": whole,
        "loads": a_start("assess"),
        "responds": a_start("respond"),
    }
    keys = {
        name: env_of(job_for(start, judge={"endpoint": endpoint})).get("ISHEEP_JUDGE_API_KEY")
        for name, start in starts.items()
    }
    key = {"secretKeyRef": {"name": "judge", "key": "apiKey"}}
    assert keys == {
        "prepare": key,
        "asks": key,
        "whole run": key,
        "loads": None,
        "responds": None,
    }
    open_endpoint = {"endpoint": {**endpoint, "secretRef": None}}
    assert "ISHEEP_JUDGE_API_KEY" not in env_of(job_for(starts["asks"], judge=open_endpoint))


def test_only_secret_references_name_a_secret() -> None:
    """Every reader of the Job can read the order, so the order does not name the Secret."""
    storage = {"s3": {"bucket": "bucket", "secretRef": {"name": "hidden"}}}
    job = job_for(storage=storage, model={"secretRef": {"name": "hidden"}})
    for name, value in env_of(job).items():
        if "hidden" in json.dumps(value):
            assert set(value) == {"secretKeyRef"}, name
        else:
            assert not name.startswith("AWS_")
    without = json.loads(json.dumps(job))
    (container,) = pod_of(without)["containers"]
    container["env"] = [v for v in container["env"] if "valueFrom" not in v]
    assert "hidden" not in json.dumps(without)


@pytest.mark.parametrize(("kind", "_"), POOLS)
def test_pods_meet_the_restricted_pod_security_level(kind: str, _: str) -> None:
    """Check each field of the Pod Security level "restricted", with all options of a spec."""
    everything = {
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "env": [{"name": "A", "value": "b"}],
        "shmSize": "1Gi",
    }
    compute = {pool: everything for _, pool in POOLS}
    compute["modelCache"] = {"claimName": "cache"}
    job = job_for(a_start(kind), compute=compute, model={"storageUri": "pvc://models/m"})
    pod, worker = pod_of(job), worker_of(job)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] != 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert worker["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    assert all("hostPort" not in port for port in worker["ports"])
    kinds = {kind for kind, _, _ in mounts_of(job).values()}
    assert kinds <= {"emptyDir", "persistentVolumeClaim", "configMap"}
    assert pod["automountServiceAccountToken"] is False
