"""The Job builder: the complete Job of a start, its order, its nodes, its queue and its names."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.contract.order import ContractError, canonical_order, order_sha256, parse_order
from isheep.kube.cache.records import job_record
from isheep.kube.job_building.jobs import Installation, name_of
from isheep.kube.job_building.services import service_document
from isheep.kube.owners import Owner
from isheep.logs import LogFormat
from isheep.planner.types import StageRef

from ..builders import CREATED, RUN_UID, a_start, a_step
from ..job_documents import OWNER, env_of, job_for, pod_of, training_start


def test_a_start_becomes_this_job() -> None:
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
    assert job_for(start) == {
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


def test_the_fields_of_a_start_are_in_the_job() -> None:
    job = job_for(a_start("generate", attempt=4, parallelism=7, deadline_seconds=1800))
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (7, 7)
    assert job["spec"]["activeDeadlineSeconds"] == 1800
    assert env_of(job)["ISHEEP_WORKERS"] == "7"
    assert job["metadata"]["labels"]["isheep.dev/attempt"] == "4"
    assert "isheep.dev/round" not in job["metadata"]["labels"]
    assert "activeDeadlineSeconds" not in job_for()["spec"]
    step = a_step("generate", id="i3/generate/r2", iteration=3, round=2)
    labels = job_for(a_start(steps=(step,)))["metadata"]["labels"]
    assert (labels["isheep.dev/iteration"], labels["isheep.dev/round"]) == ("3", "2")


def test_the_record_of_a_created_job_has_the_values_of_its_start() -> None:
    """The operator reads the Jobs that it creates back from the API server."""
    steps = (a_step("respond", key="a"), a_step("assess", key="b"))
    job = job_for(
        a_start(steps=steps, attempt=3),
        owner=Owner("run", RUN_UID, {"kueue.x-k8s.io/queue-name": "g"}),
    )
    stored = {"uid": "u", "resourceVersion": "1", "creationTimestamp": CREATED}
    record = job_record({**job, "metadata": {**job["metadata"], **stored}})
    assert record.steps == (StageRef("i1/respond", "a"), StageRef("i1/assess", "b"))
    assert (record.run_uid, record.number, record.namespace) == (RUN_UID, 3, "ns")
    assert (record.suspended, record.queued) == (True, True)


def test_the_nodes_of_a_training_find_each_other() -> None:
    job = job_for(training_start(4, attempt=2))
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"]) == (4, 4)
    assert spec["completionMode"] == "Indexed"
    name = service_document(OWNER, "ns")["metadata"]["name"]
    assert pod_of(job)["subdomain"] == name
    # The host name of a pod of an Indexed Job is the name of the Job and the index of the pod.
    first = f"{job['metadata']['name']}-0.{name}"
    assert env_of(job)["ISHEEP_RENDEZVOUS"] == f"{first}:29400"
    assert env_of(job)["ISHEEP_WORKERS"] == "4"


def test_training_on_one_node_has_no_rendezvous() -> None:
    job = job_for(a_start("train"))
    assert "subdomain" not in pod_of(job)
    assert "ISHEEP_RENDEZVOUS" not in env_of(job)


def expand_as_kubelet(value: str, variables: dict[str, str]) -> str:
    """Expand a value as the kubelet does.

    $$ becomes a dollar sign, $(NAME) the value of a variable, and an unknown name stays as it is.
    """
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
def test_the_kubelet_does_not_change_an_order(text: str) -> None:
    start = a_start(steps=(a_step(settings={"rules": text}),))
    found = env_of(job_for(start))
    arrived = expand_as_kubelet(found["ISHEEP_ORDER"], {"HOME": "/scratch", "a": "b"})
    assert parse_order(arrived, found["ISHEEP_ORDER_SHA256"]) == start.order


@pytest.mark.parametrize("text", ["$(HOME)", "$$(HOME)", "$", "$$", "a$(b", "$(ISHEEP_ORDER)"])
def test_a_dollar_sign_in_an_order_is_not_expanded(text: str) -> None:
    start = a_start(steps=(a_step(settings={"rules": text}),))
    value = env_of(job_for(start))["ISHEEP_ORDER"]
    assert json.loads(expand_as_kubelet(value, {"HOME": "another"}))["steps"][0]["settings"] == {
        "rules": text
    }
    assert text.replace("$", "$$") in value


def test_an_order_that_is_too_large_is_refused() -> None:
    fits = a_start(steps=(a_step(settings={"rules": "x" * 60_000}),))
    assert len(env_of(job_for(fits))["ISHEEP_ORDER"]) > 60_000
    with pytest.raises(ContractError, match="i1/respond has"):
        job_for(a_start(steps=(a_step(settings={"rules": "x" * 65_536}),)))


@pytest.mark.parametrize("queue", [{}, {"kueue.x-k8s.io/queue-name": "gpus"}])
def test_a_job_for_a_queue_is_created_suspended(queue: dict[str, str]) -> None:
    job = job_for(owner=Owner("run", RUN_UID, queue))
    labels = job["metadata"]["labels"]
    assert {k: v for k, v in labels.items() if "kueue" in k} == queue
    assert job["spec"].get("suspend", False) == bool(queue)
    # Kueue queues Jobs, and it would treat a pod with the label as another workload.
    assert "kueue" not in json.dumps(job["spec"]["template"])


def test_a_kueue_label_cannot_replace_a_label_of_the_operator() -> None:
    owner = Owner("run", RUN_UID, {"isheep.dev/run-uid": "another"})
    assert job_for(owner=owner)["metadata"]["labels"]["isheep.dev/run-uid"] == RUN_UID


@pytest.mark.parametrize("run", ["a", "a" * 40, f"{'a' * 27}-{'b' * 12}"])
def test_names_and_label_values_are_valid_and_short_enough(run: str) -> None:
    step = a_step("generate", id="i20/generate/r100", iteration=20, round=100)
    job = job_for(a_start(steps=(step,), attempt=10**6), owner=Owner(run, RUN_UID, {}))
    # The host names of 512 indexes must be valid labels, too.
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"])
    assert len(job["metadata"]["name"] + "-511") <= 63
    for value in job["metadata"]["labels"].values():
        assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value)
    for volume in pod_of(job)["volumes"]:
        assert len(volume["name"]) <= 63


@pytest.mark.parametrize(("log_format", "value"), [("Text", None), ("Json", "json")])
def test_a_worker_logs_in_the_operators_format(log_format: LogFormat, value: str | None) -> None:
    chart = Installation("i", "Always", None, {}, log_format)
    found = env_of(job_for(chart=chart))
    assert found.get("ISHEEP_LOG_FORMAT") == value
