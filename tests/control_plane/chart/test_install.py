"""The chart on a real API server: helm install, upgrade and uninstall."""

from __future__ import annotations

from typing import Any

import pytest

NAMESPACE = "chart-install"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/selfalignmentruns.isheep.dev"
CONFIG = f"/api/v1/namespaces/{NAMESPACE}/configmaps/isheep-operator"

BUDGET = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/isheep-operator"


@pytest.fixture
def connection(crd_server: Any) -> list[str]:
    return [
        f"--kube-apiserver=https://127.0.0.1:{crd_server.port}",
        f"--kube-ca-file={crd_server.certificate}",
        f"--kube-token={crd_server.token}",
        "--kube-tls-server-name=kubernetes.default.svc",
        f"--namespace={NAMESPACE}",
    ]


def test_the_chart_can_be_installed_upgraded_and_uninstalled(
    chart: Any, crd_server: Any, connection: list[str]
) -> None:
    def helm(*arguments: str) -> str:
        done = chart.run(*arguments, *connection)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    # Another test has created the CRD. On a user's cluster, --take-ownership is not necessary.
    upgrade: tuple[str, ...] = (
        "upgrade",
        "--install",
        "isheep-operator",
        str(chart.path),
        "--take-ownership",
    )
    # Operators of other tests write the status of runs in other namespaces.
    upgrade = (*upgrade, f"--set=watchNamespaces={{{NAMESPACE}}}")
    notes = helm(*upgrade, "--create-namespace", "--timeout=60s")
    assert "get sheep -w" in notes
    assert "WARNING: admission.mode is Open" in notes
    before = crd_server.request("GET", CONFIG).body["data"]
    changes = ("--set-string=workerImage.tag=2", "--set=admission.mode=Listed", "--set=replicas=2")
    assert "WARNING" not in helm(*upgrade, *changes)
    after = crd_server.request("GET", CONFIG).body["data"]
    assert before != after
    assert crd_server.request("GET", BUDGET).body["spec"]["maxUnavailable"] == 1
    helm("uninstall", "isheep-operator")
    assert crd_server.request("GET", CONFIG).status == 404
    kept = crd_server.request("GET", CRD)
    assert kept.status == 200
    assert "deletionTimestamp" not in kept.body["metadata"]
