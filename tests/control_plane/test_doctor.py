"""`isheep doctor` with a real API server: for an administrator, and for a user with few rights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .harness.api import MERGE_PATCH
from .harness.cluster import Cluster
from .harness.command import isheep
from .harness.rbac import PATHS, SYSTEM_NAMESPACE, rendered
from .harness.runs import Run
from .harness.servers import kubeconfig_with

NAMESPACE = "doctor"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CREATED = {
    "Deployment": f"/apis/apps/v1/namespaces/{SYSTEM_NAMESPACE}/deployments",
    "ValidatingAdmissionPolicy": f"{ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{ADMISSION}/validatingadmissionpolicybindings",
}
RUN = Run().spec(
    model={"secretRef": {"name": "hub"}},
    storage={"s3": {"bucket": "bucket", "secretRef": {"name": "s3"}}},
)


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """The chart's Deployment, with a ready pod, and its admission policy for another namespace."""
    server = cluster.server
    cluster.open_namespace(NAMESPACE)
    objects = rendered(
        "--set=admission.serviceAccounts={default}", "--set=watchNamespaces={doctor}"
    )
    chosen = [one for one in objects if one["kind"] in CREATED]
    assert {one["kind"] for one in chosen} == CREATED.keys()
    for one in chosen:
        server.must("POST", CREATED[one["kind"]], one)
    name = next(one["metadata"]["name"] for one in chosen if one["kind"] == "Deployment")
    status = {"status": {"replicas": 1, "readyReplicas": 1}}
    path = f"{CREATED['Deployment']}/{name}/status"
    server.must("PATCH", path, status, content_type=MERGE_PATCH)
    yield cluster
    for one in chosen:
        server.must("DELETE", f"{CREATED[one['kind']]}/{one['metadata']['name']}")
    cluster.close_namespace(NAMESPACE)


def states(output: str) -> dict[str, str]:
    """Return the state of each check; each check has one line."""
    lines = [line.split(maxsplit=1) for line in output.splitlines()]
    return {rest.partition(":")[0]: state for state, rest in lines}


def test_an_administrator_sees_what_works_and_what_a_run_lacks(installed: Cluster) -> None:
    done = isheep(installed, "doctor", "-n", NAMESPACE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert states(done.stdout) == {
        "CRD": "ok",
        "operator": "ok",
        "admission policy": "ok",
        "Kueue": "ok",
        "right to read runs": "ok",
        "right to change runs": "ok",
        "right to list pods": "ok",
        "right to read logs": "ok",
    }
    assert "restricts what runs may name" in done.stdout
    secrets = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    secret: dict[str, Any] = {"metadata": {"name": "s3"}, "stringData": {"AWS_ACCESS_KEY_ID": "x"}}
    installed.server.must("POST", secrets, secret)
    text = json.dumps(RUN.document())
    lacking = isheep(installed, "doctor", "-", "-n", NAMESPACE, stdin=text)
    assert lacking.returncode == 64
    found = states(lacking.stdout)
    assert found["ServiceAccount default"] == "ok"
    assert found["Secret hub"] == found["Secret s3"] == "failed"
    assert "lacks the key AWS_SECRET_ACCESS_KEY" in lacking.stdout
    assert "namespace doctor does not have it; create it" in lacking.stdout
    assert found["store"] == "unknown"
    assert "no run of namespace doctor has used s3://bucket" in lacking.stdout


def test_a_user_sees_which_rights_are_missing(installed: Cluster, tmp_path: Path) -> None:
    server = installed.server
    server.must("POST", PATHS["ServiceAccount"].format(NAMESPACE), {"metadata": {"name": "user"}})
    rules = [
        {"apiGroups": ["isheep.dev"], "resources": ["selfalignmentruns"], "verbs": ["get", "list"]}
    ]
    role = {"metadata": {"name": "user"}, "rules": rules}
    server.must("POST", PATHS["Role"].format(NAMESPACE), role)
    binding = {
        "metadata": {"name": "user"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "user"},
        "subjects": [{"kind": "ServiceAccount", "name": "user", "namespace": NAMESPACE}],
    }
    server.must("POST", PATHS["RoleBinding"].format(NAMESPACE), binding)
    path = f"{PATHS['ServiceAccount'].format(NAMESPACE)}/user/token"
    answer = server.must("POST", path, {"spec": {"expirationSeconds": 3600}})
    config = tmp_path / "kubeconfig"
    config.write_text(json.dumps(kubeconfig_with(server, answer["status"]["token"])))
    text = json.dumps(RUN.document())
    done = isheep(installed, "doctor", "-", "-n", NAMESPACE, stdin=text, KUBECONFIG=str(config))
    assert done.returncode == 64
    assert states(done.stdout) == {
        "CRD": "ok",
        "operator": "unknown",
        "admission policy": "unknown",
        "Kueue": "ok",
        "right to read runs": "ok",
        "right to change runs": "failed",
        "right to list pods": "failed",
        "right to read logs": "failed",
        "ServiceAccount default": "unknown",
        "Secret hub": "unknown",
        "Secret s3": "unknown",
        "store": "unknown",
    }
    assert "create, update, patch, delete is missing in namespace doctor" in done.stdout
