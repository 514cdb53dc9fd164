"""The second container of pods that execute generated code."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from isheep.planner.types import JobWalk, Start

from ..builders import a_start
from ..job_documents import env_of, job_for, pod_of, worker_of

ALLOWED = {
    "benchmarks": [{"name": "code", "task": "humaneval", "role": "Test"}],
    "allowCodeExecution": True,
}
SECRETS = {"model": {"secretRef": {"name": "hf"}}}


def job(kind: str = "score", evaluation: Any = ALLOWED, **fields: Any) -> dict[str, Any]:
    start = fields.pop("start", None) or a_start(kind)
    return job_for(start, evaluation=evaluation, **SECRETS, **fields)


def whole_run() -> Start:
    return replace(a_start("generate"), walk=JobWalk("Run", "claim", "digest"))


def sandbox_of(document: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod_of(document)["initContainers"]
    return dict(container)


def test_the_container_has_nothing_of_the_run() -> None:
    found = sandbox_of(job())
    assert found == {
        "name": "sandbox",
        "image": "worker:1",
        "imagePullPolicy": "IfNotPresent",
        "args": ["sandbox", "/sandbox"],
        "restartPolicy": "Always",
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "1536Mi"},
        },
        "volumeMounts": [
            {"name": "sandbox-programs", "mountPath": "/sandbox/programs", "readOnly": True},
            {"name": "sandbox-verdicts", "mountPath": "/sandbox/verdicts"},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65533,
            "runAsGroup": 65533,
        },
    }
    assert "hf" not in json.dumps(found)


def test_the_worker_shares_two_folders_with_it() -> None:
    document = job()
    assert env_of(document)["ISHEEP_SANDBOX"] == "/sandbox"
    assert worker_of(document)["volumeMounts"][-2:] == [
        {"name": "sandbox-programs", "mountPath": "/sandbox/programs"},
        {"name": "sandbox-verdicts", "mountPath": "/sandbox/verdicts", "readOnly": True},
    ]
    assert pod_of(document)["volumes"][-2:] == [
        {"name": "sandbox-programs", "emptyDir": {"sizeLimit": "64Mi"}},
        {"name": "sandbox-verdicts", "emptyDir": {"sizeLimit": "16Mi"}},
    ]


def test_the_pod_meets_the_restricted_pod_security_level() -> None:
    pod = pod_of(job())
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & pod.keys()
    users = {pod["securityContext"]["runAsUser"]}
    for container in (*pod["containers"], *pod["initContainers"]):
        context = {**pod["securityContext"], **container["securityContext"]}
        assert context["runAsNonRoot"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        users.add(context["runAsUser"])
    assert len(users) == 2
    assert 0 not in users
    assert all(set(volume) <= {"name", "emptyDir"} for volume in pod["volumes"])


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(job("prepare"), id="prepare"),
        pytest.param(job("score"), id="score"),
        pytest.param(job(start=whole_run()), id="whole run"),
    ],
)
def test_pods_that_execute_code_have_the_container(document: dict[str, Any]) -> None:
    assert sandbox_of(document)["name"] == "sandbox"


@pytest.mark.parametrize("kind", ["evaluate", "respond", "select", "train", "verdict"])
def test_other_pods_do_not_have_it(kind: str) -> None:
    document = job(kind)
    assert "initContainers" not in pod_of(document)
    assert "ISHEEP_SANDBOX" not in env_of(document)


@pytest.mark.parametrize("evaluation", [None, {**ALLOWED, "allowCodeExecution": False}])
def test_a_run_that_does_not_allow_it_has_no_container(evaluation: Any) -> None:
    fields = {} if evaluation is None else {"evaluation": evaluation}
    for start in (a_start("score"), a_start("prepare"), whole_run()):
        assert "initContainers" not in pod_of(job_for(start, **fields))


def test_an_image_of_the_pool_is_used_for_both() -> None:
    document = job(compute={"processing": {"image": "own:2"}})
    assert sandbox_of(document)["image"] == worker_of(document)["image"] == "own:2"
