"""Jobs as they are created: one whole, and each thing that changes something in it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.api.base import QUANTITY_PATTERN
from isheep.contract.order import (
    ContractError,
    Runtime,
    canonical_order,
    order_sha256,
    parse_order,
)
from isheep.kube.jobs import Installation, job_document, name_of
from isheep.kube.owners import Owner
from isheep.kube.records import job_record
from isheep.kube.services import is_same_service, service_document
from isheep.planner.pinning import spec_of
from isheep.planner.spec_references import claim_mirrors, claim_names, config_map_names
from isheep.planner.types import StageRef, Start

from .builders import CREATED, RUN_UID, a_start, a_step, resolved_from

OWNER = Owner("run", RUN_UID, {})
CHART = Installation("chart-image:1", "IfNotPresent", None, {})
POOLS = (("respond", "inference"), ("train", "training"), ("select", "processing"))


def made(
    start: Start | None = None,
    *,
    owner: Owner = OWNER,
    chart: Installation = CHART,
    worker_image: str = "worker:1",
    **spec: Any,
) -> dict[str, Any]:
    """Return the Job of a start of a run with these fields."""
    return job_document(start or a_start(), owner, resolved_from(worker_image, **spec), chart)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def worker_of(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod_of(job)["containers"]
    return dict(container)


def env_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return variables with their values, or where they come from."""
    variables = worker_of(job)["env"]
    found = {v["name"]: v.get("value", v.get("valueFrom")) for v in variables}
    assert len(found) == len(variables), "a variable stands twice"
    return found


def mounts_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return what is mounted, by path, with whether it is read only."""
    volumes = {v["name"]: v for v in pod_of(job)["volumes"]}
    mounts = worker_of(job)["volumeMounts"]
    assert sorted(volumes) == sorted(m["name"] for m in mounts)
    found = {}
    for mount in mounts:
        ((kind, source),) = ((k, v) for k, v in volumes[mount["name"]].items() if k != "name")
        found[mount["mountPath"]] = (kind, source, mount.get("readOnly", False))
    assert len(found) == len(mounts)
    return found


def test_a_whole_job() -> None:
    start = a_start()
    text = canonical_order(start.order)
    assert "$" not in text
    labels = {
        "app.kubernetes.io/managed-by": "isheep-operator",
        "isheep.dev/run": "run",
        "isheep.dev/run-uid": RUN_UID,
        "isheep.dev/stage": "respond",
        "isheep.dev/iteration": "1",
        "isheep.dev/attempt": "1",
        "isheep.dev/pool": "inference",
    }
    assert made(start) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_of(start, OWNER),
            "namespace": "ns",
            "labels": labels,
            "annotations": {
                "isheep.dev/steps": f'[{{"id":"i1/respond","key":"{"k" * 64}"}}]',
                "isheep.dev/order-sha256": order_sha256(text),
            },
            "ownerReferences": [
                {
                    "apiVersion": "isheep.dev/v1alpha1",
                    "kind": "SelfAlignmentRun",
                    "name": "run",
                    "uid": RUN_UID,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": 1,
            "parallelism": 1,
            "backoffLimitPerIndex": 3,
            "maxFailedIndexes": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "Ignore",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    },
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": "worker",
                            "operator": "In",
                            "values": [64, 70, 80],
                        },
                    },
                    {
                        "action": "Ignore",
                        "onExitCodes": {
                            "containerName": "worker",
                            "operator": "In",
                            "values": [143],
                        },
                    },
                ]
            },
            "template": {
                "metadata": {"labels": labels, "annotations": {}},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 120,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "fsGroup": 65532,
                        "fsGroupChangePolicy": "OnRootMismatch",
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        {
                            "name": "worker",
                            "image": "worker:1",
                            "imagePullPolicy": "IfNotPresent",
                            "env": [
                                {"name": "ISHEEP_ORDER", "value": text},
                                {"name": "ISHEEP_ORDER_SHA256", "value": order_sha256(text)},
                                {"name": "ISHEEP_WORKERS", "value": "1"},
                                {"name": "ISHEEP_IMAGE", "value": "worker:1"},
                                {"name": "ISHEEP_HTTP_PORT", "value": "8080"},
                                {"name": "ISHEEP_GRACE_SECONDS", "value": "120"},
                                {"name": "HOME", "value": "/scratch"},
                                {"name": "TMPDIR", "value": "/scratch"},
                            ],
                            "ports": [{"name": "http", "containerPort": 8080}],
                            "resources": {"requests": {}, "limits": {}},
                            "volumeMounts": [
                                {"name": "scratch", "mountPath": "/scratch"},
                                {"name": "shm", "mountPath": "/dev/shm"},
                            ],
                            "terminationMessagePolicy": "FallbackToLogsOnError",
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"]},
                                "readOnlyRootFilesystem": True,
                            },
                        }
                    ],
                    "volumes": [
                        {"name": "scratch", "emptyDir": {}},
                        {"name": "shm", "emptyDir": {"medium": "Memory"}},
                    ],
                },
            },
        },
    }


def test_what_a_start_says() -> None:
    job = made(a_start("generate", attempt=4, parallelism=7, deadline_seconds=1800))
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (7, 7)
    assert job["spec"]["activeDeadlineSeconds"] == 1800
    assert env_of(job)["ISHEEP_WORKERS"] == "7"
    assert job["metadata"]["labels"]["isheep.dev/attempt"] == "4"
    assert "isheep.dev/round" not in job["metadata"]["labels"]
    assert "activeDeadlineSeconds" not in made()["spec"]
    step = a_step("generate", id="i3/generate/r2", iteration=3, round=2)
    labels = made(a_start(steps=(step,)))["metadata"]["labels"]
    assert (labels["isheep.dev/iteration"], labels["isheep.dev/round"]) == ("3", "2")


def test_what_is_written_is_what_is_read_again() -> None:
    """Records are made of what the API server returns of these very Jobs."""
    steps = (a_step("respond", key="a"), a_step("assess", key="b"))
    job = made(
        a_start(steps=steps, attempt=3),
        owner=Owner("run", RUN_UID, {"kueue.x-k8s.io/queue-name": "g"}),
    )
    stored = {"uid": "u", "resourceVersion": "1", "creationTimestamp": CREATED}
    record = job_record({**job, "metadata": {**job["metadata"], **stored}})
    assert record.steps == (StageRef("i1/respond", "a"), StageRef("i1/assess", "b"))
    assert (record.run_uid, record.number, record.namespace) == (RUN_UID, 3, "ns")
    assert (record.suspended, record.queued) == (True, True)


# --- several nodes ----------------------------------------------------------------------


def several(nodes: int = 4, **fields: Any) -> Start:
    return a_start("train", runtime=Runtime(num_nodes=nodes), parallelism=nodes, **fields)


def test_nodes_of_a_training_fail_together_and_find_each_other() -> None:
    start = several(4, attempt=2)
    job = made(start)
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (4, 4, 0)
    assert spec["completionMode"] == "Indexed"
    assert {"podFailurePolicy", "backoffLimitPerIndex", "maxFailedIndexes"}.isdisjoint(spec)
    service = service_document(OWNER, "ns")
    name = service["metadata"]["name"]
    assert pod_of(job)["subdomain"] == name
    # The hostname of a pod of an Indexed Job is the Job's name and its index.
    first = f"{job['metadata']['name']}-0.{name}"
    assert env_of(job)["ISHEEP_RENDEZVOUS"] == f"{first}:29400"
    assert env_of(job)["ISHEEP_WORKERS"] == "4"
    labels = spec["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    stored = {"uid": "u", "resourceVersion": "1", "creationTimestamp": CREATED}
    assert job_record({**job, "metadata": {**job["metadata"], **stored}}).together


def test_one_node_needs_nobody() -> None:
    job = made(a_start("train"))
    assert "subdomain" not in pod_of(job)
    assert "ISHEEP_RENDEZVOUS" not in env_of(job)
    assert job["spec"]["backoffLimitPerIndex"] == 3
    stored = {"uid": "u", "resourceVersion": "1", "creationTimestamp": CREATED}
    job["spec"]["backoffLimit"] = 2147483647  # as the API server fills it in
    assert not job_record({**job, "metadata": {**job["metadata"], **stored}}).together


def test_the_service_of_a_run_gives_names_before_pods_are_ready_and_goes_with_the_run() -> None:
    service = service_document(OWNER, "ns")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["ownerReferences"] == made()["metadata"]["ownerReferences"]
    assert service["metadata"]["namespace"] == "ns"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"spec": {"clusterIPs": ["None"], "type": "ClusterIP"}}, True),
        ({"spec": {"clusterIP": "10.0.0.1"}}, False),
        ({"spec": {"selector": {"app": "mine"}}}, False),
        ({"spec": {"publishNotReadyAddresses": False}}, False),
        ({"metadata": {"ownerReferences": []}}, False),
        ({"metadata": {"ownerReferences": None}}, False),
    ],
)
def test_which_service_is_a_runs(change: dict[str, Any], same: bool) -> None:
    service = service_document(OWNER, "ns")
    found = {name: {**service[name], **change.get(name, {})} for name in ("metadata", "spec")}
    assert is_same_service(found, service) is same


# --- the order --------------------------------------------------------------------------


def as_the_kubelet_expands(value: str, variables: dict[str, str]) -> str:
    """Kubernetes' expansion: $$ is a dollar, $(NAME) a variable, unknown ones stay."""
    out, rest = "", value
    while "$" in rest:
        before, _, rest = rest.partition("$")
        out += before
        if rest.startswith("$"):
            out, rest = out + "$", rest[1:]
        elif rest.startswith("(") and ")" in rest:
            name, _, rest = rest[1:].partition(")")
            out += variables.get(name, f"$({name})")
        else:
            out += "$"
    return out + rest


TEXTS = st.text(st.sampled_from(list("$()ab{}HOME\\\"'é")), max_size=30)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_an_order_comes_through_the_kubelet_as_it_is(text: str) -> None:
    start = a_start(steps=(a_step(settings={"rules": text}),))
    found = env_of(made(start))
    arrived = as_the_kubelet_expands(found["ISHEEP_ORDER"], {"HOME": "/scratch", "a": "b"})
    assert parse_order(arrived, found["ISHEEP_ORDER_SHA256"]) == start.order


@pytest.mark.parametrize("text", ["$(HOME)", "$$(HOME)", "$", "$$", "a$(b", "$(ISHEEP_ORDER)"])
def test_dollars_stay_dollars(text: str) -> None:
    start = a_start(steps=(a_step(settings={"rules": text}),))
    value = env_of(made(start))["ISHEEP_ORDER"]
    assert json.loads(as_the_kubelet_expands(value, {"HOME": "no"}))["steps"][0]["settings"] == {
        "rules": text
    }
    assert text.replace("$", "$$") in value


def test_an_order_that_is_too_large_is_refused() -> None:
    fits = a_start(steps=(a_step(settings={"rules": "x" * 60_000}),))
    assert len(env_of(made(fits))["ISHEEP_ORDER"]) > 60_000
    with pytest.raises(ContractError, match="i1/respond has"):
        made(a_start(steps=(a_step(settings={"rules": "x" * 65_536}),)))


# --- compute ----------------------------------------------------------------------------

AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["h100"]}]}
            ]
        }
    }
}
TOLERATIONS = [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]


def without_empty(value: Any) -> Any:
    """Return JSON without empty lists: to an API server they are absent."""
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
    ],
)
def test_what_a_pool_says_of_its_pods(kind: str, pool: str, field: str, value: Any) -> None:
    compute = {pool: {field: value}}
    assert without_empty(pod_of(made(a_start(kind), compute=compute))[field]) == value
    for other, _ in POOLS:
        plain = pod_of(made(a_start(other)))
        changed = pod_of(made(a_start(other), compute=compute))
        assert (changed != plain) == (other == kind)


@pytest.mark.parametrize(
    "kind",
    ["prepare", "generate", "curate", "respond", "assess", "select", "train", "merge", "report"],
)
def test_each_stage_has_its_pool(kind: str) -> None:
    compute = {pool: {"nodeSelector": {"pool": pool}} for _, pool in POOLS}
    job = made(a_start(kind), compute=compute)
    pool = job["metadata"]["labels"]["isheep.dev/pool"]
    assert pod_of(job)["nodeSelector"] == {"pool": pool}
    wanted = {"train": "training", "generate": "inference", "respond": "inference"}
    wanted["assess"] = "inference"
    assert pool == wanted.get(kind, "processing")


def test_resources_are_the_containers() -> None:
    resources = {
        "requests": {"cpu": "4", "memory": "16Gi"},
        "limits": {"nvidia.com/gpu": 1, "memory": "32Gi"},
    }
    found = worker_of(made(compute={"inference": {"resources": resources}}))["resources"]
    assert found == {
        "requests": {"cpu": "4", "memory": "16Gi"},
        "limits": {"nvidia.com/gpu": "1", "memory": "32Gi"},
    }


@pytest.mark.parametrize(
    ("pool", "pinned", "image"),
    [("own:2", "worker:1", "own:2"), (None, "worker:1", "worker:1"), (None, "", "chart-image:1")],
    ids=["the pool's", "the run's", "the chart's"],
)
def test_whose_image_it_is(pool: str | None, pinned: str, image: str) -> None:
    compute = {"inference": {"image": pool}} if pool else {}
    job = made(worker_image=pinned, compute=compute)
    assert worker_of(job)["image"] == image
    assert env_of(job)["ISHEEP_IMAGE"] == image


def test_what_the_chart_says_of_pulling() -> None:
    chart = Installation("chart-image:1", "Never", None, {})
    assert worker_of(made(chart=chart))["imagePullPolicy"] == "Never"


def test_whose_account_it_is() -> None:
    assert pod_of(made(serviceAccountName="runner"))["serviceAccountName"] == "runner"
    assert "serviceAccountName" not in pod_of(made())


def test_labels_and_annotations_of_pods_cannot_hide_whose_they_are() -> None:
    pool = {
        "podLabels": {"team": "a", "isheep.dev/run-uid": "another"},
        "podAnnotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
    }
    template = made(compute={"inference": pool})["spec"]["template"]["metadata"]
    assert template["labels"]["team"] == "a"
    assert template["labels"]["isheep.dev/run-uid"] == RUN_UID
    assert template["annotations"] == pool["podAnnotations"]


# --- environment ------------------------------------------------------------------------


def test_the_users_variables_come_last_and_win() -> None:
    env = [
        {"name": "HF_HUB_OFFLINE", "value": "1"},
        {"name": "HOME", "value": "/elsewhere"},
        {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "o", "key": "k"}}},
        {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
    ]
    storage = {"s3": {"bucket": "bucket", "secretRef": {"name": "s3"}}}
    job = made(compute={"inference": {"env": env}}, storage=storage)
    assert worker_of(job)["env"][-4:] == env
    found = env_of(job)
    assert found["HOME"] == "/elsewhere"
    assert found["AWS_SECRET_ACCESS_KEY"] == {"secretKeyRef": {"name": "o", "key": "k"}}
    assert found["AWS_ACCESS_KEY_ID"] == {
        "secretKeyRef": {"name": "s3", "key": "AWS_ACCESS_KEY_ID"}
    }


def test_a_worker_knows_how_long_it_has_to_stop() -> None:
    job = made(compute={"inference": {"terminationGracePeriodSeconds": 600}})
    assert env_of(job)["ISHEEP_GRACE_SECONDS"] == "600"


def test_threads_are_as_many_as_the_limit_allows() -> None:
    source = {"resourceFieldRef": {"containerName": "worker", "resource": "limits.cpu"}}
    limited = made(compute={"inference": {"resources": {"limits": {"cpu": "4"}}}})
    assert env_of(limited)["OMP_NUM_THREADS"] == source
    asked = made(compute={"inference": {"resources": {"requests": {"cpu": "4"}}}})
    assert "OMP_NUM_THREADS" not in env_of(asked)
    own = {
        "resources": {"limits": {"cpu": "4"}},
        "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
    }
    assert env_of(made(compute={"inference": own}))["OMP_NUM_THREADS"] == "1"


def keys_of(secret: str) -> dict[str, Any]:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    found: dict[str, Any] = {n: {"secretKeyRef": {"name": secret, "key": n}} for n in names}
    # Only credentials that expire have one.
    found["AWS_SESSION_TOKEN"]["secretKeyRef"]["optional"] = True
    return found


OWN = {"s3": {"bucket": "bucket", "secretRef": {"name": "own"}}}
KEYLESS = {"s3": {"bucket": "bucket"}}


@pytest.mark.parametrize(
    ("storage", "default", "secret"),
    [
        (OWN, None, "own"),
        (OWN, "chart", "own"),
        # The installation's key is not for a bucket that the run names.
        (KEYLESS, "chart", None),
        (KEYLESS, None, None),
        (None, "chart", "chart"),
        (None, None, None),
    ],
    ids=["own", "own, not the chart's", "identity", "identity, no chart", "chart", "nobody's"],
)
def test_whose_credentials_they_are(
    storage: dict[str, Any] | None, default: str | None, secret: str | None
) -> None:
    chart = Installation("i", "Always", default, {})
    found = env_of(made(chart=chart, storage=storage))
    aws = {name: value for name, value in found.items() if name.startswith("AWS_")}
    assert aws == ({} if secret is None else keys_of(secret))


def test_the_models_token() -> None:
    found = env_of(made(model={"secretRef": {"name": "hf"}}))
    assert found["HF_TOKEN"] == {"secretKeyRef": {"name": "hf", "key": "token"}}
    assert "HF_TOKEN" not in env_of(made())


def test_secrets_are_named_and_nowhere_else() -> None:
    """An order is in the Job for everybody to read: not even the Secret's name is in it."""
    storage = {"s3": {"bucket": "bucket", "secretRef": {"name": "hidden"}}}
    job = made(storage=storage, model={"secretRef": {"name": "hidden"}})
    for name, value in env_of(job).items():
        if "hidden" in json.dumps(value):
            assert set(value) == {"secretKeyRef"}, name
        else:
            assert not name.startswith("AWS_")
    without = json.loads(json.dumps(job))
    (container,) = pod_of(without)["containers"]
    container["env"] = [v for v in container["env"] if "valueFrom" not in v]
    assert "hidden" not in json.dumps(without)


# --- volumes ----------------------------------------------------------------------------


def claim(name: str) -> tuple[str, Any, bool]:
    return "persistentVolumeClaim", {"claimName": name, "readOnly": True}, True


@pytest.mark.parametrize(
    ("kind", "spec", "mirrors", "claims"),
    [
        ("respond", {}, {}, []),
        ("respond", {"model": {"storageUri": "pvc://models/a/b"}}, {}, ["models"]),
        ("respond", {}, {"hf://org": "pvc://copies/org"}, ["copies"]),
        ("respond", {}, {"hf://org/model": "pvc://copies/m"}, ["copies"]),
        ("respond", {}, {"hf://other": "pvc://copies/org"}, []),
        ("respond", {}, {"hf://or": "pvc://copies/org"}, []),
        ("respond", {}, {"hf://org": "s3://b/x", "s3://b": "pvc://copies/b"}, ["copies"]),
        ("respond", {"seedTasks": {"storageUri": "pvc://seeds/s.jsonl"}}, {}, []),
        ("prepare", {"seedTasks": {"storageUri": "pvc://seeds/s.jsonl"}}, {}, ["seeds"]),
        (
            "prepare",
            {
                "model": {"storageUri": "pvc://models/a"},
                "curation": {
                    "decontamination": {
                        "benchmarks": [
                            {"name": "a", "storageUri": "pvc://bench/a"},
                            {"name": "b", "storageUri": "pvc://bench/b"},
                        ]
                    }
                },
            },
            {},
            ["bench", "models"],
        ),
    ],
    ids=[
        "none",
        "model",
        "mirror",
        "mirror of one",
        "another's mirror",
        "a beginning of a name",
        "mirror of a mirror",
        "seeds are prepare's",
        "seeds",
        "each once",
    ],
)
def test_which_claims_are_mounted(
    kind: str, spec: dict[str, Any], mirrors: dict[str, str], claims: list[str]
) -> None:
    chart = Installation("i", "Always", None, mirrors)
    found = mounts_of(made(a_start(kind), chart=chart, **spec))
    assert {path: mount for path, mount in found.items() if path.startswith("/mnt")} == {
        f"/mnt/pvc/{name}": claim(name) for name in claims
    }


def test_claims_are_mirrors_of_where_they_are_mounted() -> None:
    uris = ["pvc://models/a/b", "hf://org/x", "s3://b/y"]
    mirrors = {"hf://org": "pvc://copies/org"}
    assert claim_names(uris, mirrors) == ["copies", "models"]
    assert claim_mirrors(uris, mirrors, "/mnt/pvc") == {
        "pvc://copies": "/mnt/pvc/copies",
        "pvc://models": "/mnt/pvc/models",
    }


def test_the_cache_is_written_to() -> None:
    job = made(compute={"modelCache": {"claimName": "cache"}})
    mount = ("persistentVolumeClaim", {"claimName": "cache"}, False)
    assert mounts_of(job)["/cache"] == mount
    assert env_of(job)["XDG_CACHE_HOME"] == "/cache"
    assert "XDG_CACHE_HOME" not in env_of(made())


CONFIG_MAPS = {
    "promptsRef": {"name": "prompts"},
    "seedTasks": {"configMapRef": {"name": "seeds", "key": "s.jsonl"}},
}


def test_prepare_alone_reads_config_maps() -> None:
    found = mounts_of(made(a_start("prepare"), **CONFIG_MAPS))
    assert {path: mount for path, mount in found.items() if path.startswith("/etc")} == {
        f"/etc/isheep/config-maps/{n}": ("configMap", {"name": n}, True)
        for n in ("prompts", "seeds")
    }
    for kind in ("generate", "curate", "train", "report"):
        assert not [
            p for p in mounts_of(made(a_start(kind), **CONFIG_MAPS)) if p.startswith("/etc")
        ]


def test_a_config_map_for_two_is_mounted_once() -> None:
    both = {**CONFIG_MAPS, "promptsRef": {"name": "seeds"}}
    assert config_map_names(spec_of(resolved_from(**both))) == ["seeds"]
    assert config_map_names(spec_of(resolved_from())) == []


@pytest.mark.parametrize(
    ("pool", "size"),
    [
        ({}, None),
        ({"shmSize": "8Gi"}, "8Gi"),
        ({"resources": {"limits": {"memory": "32Gi"}}}, str(16 * 1024**3)),
        ({"resources": {"limits": {"memory": "3"}}}, "1"),
        ({"shmSize": "1Gi", "resources": {"limits": {"memory": "32Gi"}}}, "1Gi"),
        ({"resources": {"requests": {"memory": "32Gi"}}}, None),
    ],
    ids=["none", "asked", "half", "whole bytes", "asked and limited", "requests"],
)
def test_shared_memory(pool: dict[str, Any], size: str | None) -> None:
    kind, source, read_only = mounts_of(made(compute={"inference": pool}))["/dev/shm"]
    assert (kind, source.get("sizeLimit"), read_only) == ("emptyDir", size, False)
    assert source["medium"] == "Memory"


@given(st.from_regex(re.compile(QUANTITY_PATTERN), fullmatch=True).filter(lambda q: len(q) <= 32))
def test_every_memory_limit_that_a_spec_may_have_gives_a_size(limit: str) -> None:
    pool = {"resources": {"limits": {"memory": limit}}}
    job = made(a_start("respond"), compute={"inference": pool})
    (shm,) = (v for v in pod_of(job)["volumes"] if v["name"] == "shm")
    assert int(shm["emptyDir"]["sizeLimit"]) >= 0


# --- who may look at it -----------------------------------------------------------------


@pytest.mark.parametrize(("kind", "_"), POOLS)
def test_pods_are_restricted(kind: str, _: str) -> None:
    """Pod Security's level restricted, field by field, and what an installation may turn on."""
    everything = {
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "env": [{"name": "A", "value": "b"}],
        "shmSize": "1Gi",
    }
    compute = {pool: everything for _, pool in POOLS}
    compute["modelCache"] = {"claimName": "cache"}
    job = made(a_start(kind), compute=compute, model={"storageUri": "pvc://models/m"})
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


@pytest.mark.parametrize("queue", [{}, {"kueue.x-k8s.io/queue-name": "gpus"}])
def test_a_queued_job_begins_suspended(queue: dict[str, str]) -> None:
    job = made(owner=Owner("run", RUN_UID, queue))
    labels = job["metadata"]["labels"]
    assert {k: v for k, v in labels.items() if "kueue" in k} == queue
    assert job["spec"].get("suspend", False) == bool(queue)
    # Kueue queues Jobs, and would take a labelled pod for another workload.
    assert "kueue" not in json.dumps(job["spec"]["template"])


def test_a_kueue_label_cannot_be_one_of_ours() -> None:
    owner = Owner("run", RUN_UID, {"isheep.dev/run-uid": "another"})
    assert made(owner=owner)["metadata"]["labels"]["isheep.dev/run-uid"] == RUN_UID


@pytest.mark.parametrize("run", ["a", "a" * 40, f"{'a' * 27}-{'b' * 12}"])
def test_names_and_values_of_labels_fit(run: str) -> None:
    step = a_step("generate", id="i20/generate/r100", iteration=20, round=100)
    job = made(a_start(steps=(step,), attempt=10**6), owner=Owner(run, RUN_UID, {}))
    # The host names of the pods of 512 indexes are labels too.
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"])
    assert len(job["metadata"]["name"] + "-511") <= 63
    for value in job["metadata"]["labels"].values():
        assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value)
    for volume in pod_of(job)["volumes"]:
        assert len(volume["name"]) <= 63
