"""What an operator does if the CRD or a namespace is missing at its start, or is lost later.

The test deletes the CRD, so it has its own API server. Job and pods are not needed: the operator
has seen a run if it has written the status.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .harness.api import ApiServer
from .harness.operator_process import SHORT_WAITS, OperatorProcess, configuration
from .harness.rbac import SYSTEM_NAMESPACE, Rights
from .harness.runs import Run
from .harness.servers import CRDS, Servers, kubeconfig_with, serve_crd
from .harness.waiting import until

NAMESPACES = ("team-a", "team-b")
LEASE = {"namespace": SYSTEM_NAMESPACE, "name": "isheep", "durationSeconds": 30}
CRD = f"{CRDS}/selfalignmentruns.isheep.dev"
PATCHES = {**SHORT_WAITS, "isheep.kube.process.watching:RETRY_SECONDS": 0.5}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    """An API server without the CRD, with two namespaces."""
    servers = Servers(tmp_path)
    try:
        server = servers.start_api_server()
        for name in NAMESPACES:
            server.must("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        yield server
    finally:
        servers.stop()


def test_the_operator_serves_what_exists_and_begins_with_the_rest_by_itself(
    server: ApiServer, tmp_path: Path
) -> None:
    rights = Rights(server)
    rights.grant("--set", "watchNamespaces={team-a}")
    rights.grant_lease("isheep")
    operator = OperatorProcess(
        tmp_path / "operator",
        lambda: kubeconfig_with(server, rights.token),
        configuration(watchNamespaces=list(NAMESPACES), lease=LEASE),
        patches=PATCHES,
    )
    operator.start(wait=False)
    try:
        # Before the CRD exists, no run can be served.
        until(lambda: "install the CRD" in operator.page("/readyz")[1], otherwise=operator.tail)
        assert operator.page_status("/readyz") == 503
        serve_crd(server)
        _until_seen(server, operator, "team-a", "first")
        until(lambda: _open_watches(operator) == {"team-a"}, otherwise=operator.tail)
        assert operator.page_status("/readyz") == 200

        # The CRD is deleted and created again.
        server.must("DELETE", CRD)
        until(lambda: server.request("GET", CRD).status == 404, otherwise=operator.tail)
        until(lambda: _open_watches(operator) == set(), otherwise=operator.tail)
        until(lambda: operator.page_status("/readyz") == 503, otherwise=operator.tail)
        serve_crd(server)
        _until_seen(server, operator, "team-a", "second")
        until(lambda: _open_watches(operator) == {"team-a"}, otherwise=operator.tail)

        # The operator has no rights in the other namespace, as if it did not exist.
        rights.grant_namespace("team-b")
        _until_seen(server, operator, "team-b", "third")
        until(lambda: _open_watches(operator) == set(NAMESPACES), otherwise=operator.tail)
        assert operator.page_status("/healthz") == 200
        assert operator.stop() == 0
    finally:
        operator.kill()


def _until_seen(server: ApiServer, operator: OperatorProcess, namespace: str, name: str) -> None:
    """Create a run, and wait until the operator has written its status."""
    path = f"/apis/isheep.dev/v1alpha1/namespaces/{namespace}/selfalignmentruns"
    document: dict[str, Any] = Run(name).document()
    server.must("POST", path, document)
    run = f"{path}/{name}"
    until(lambda: server.get(run)["status"]["observedGeneration"] == 1, otherwise=operator.tail)


def _open_watches(operator: OperatorProcess) -> set[str]:
    """Return the namespaces with an open watch of runs."""
    found = set()
    for line in operator.page("/metrics")[1].splitlines():
        if line.startswith("isheep_watch_open{") and "selfalignmentruns" in line:
            labels, _, value = line.rpartition(" ")
            if float(value) == 1:
                found.add(labels.split('watched_namespace="')[1].rstrip('"}'))
    return found
