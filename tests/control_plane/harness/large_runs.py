"""Measure the memory of an operator with many runs of the largest size.

The runs have the largest spec of the schema, and the largest annotations of the chart's policy.
There are no controllers and no nodes. The operator writes the status of each run. Of the runs that
are not suspended it plans Jobs, which the API server refuses, because the largest texts of a spec
are no valid names: these runs are Stalled, and are planned again. The operator is the installed
command.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...unit.isheep.api.largest_run import largest_spec
from .api import ApiServer
from .latency import config_of
from .operator_process import OperatorProcess
from .rbac import Rights
from .servers import Servers, kubeconfig_with, serve_crd
from .waiting import until

QUOTA_BYTES = 8 * 2**30
"""The size of etcd's database; 3,000 such runs take 4 GB."""
NOTE = "n" * (256 * 1024 - 100)
NAMESPACE = "large"
RUNS = f"/apis/isheep.dev/v1alpha1/namespaces/{NAMESPACE}/selfalignmentruns"
SETTLING_SECONDS = 20.0
PATIENCE_SECONDS = 3600.0
STORAGE = {"s3": {"bucket": "bucket"}}


@dataclass(frozen=True)
class LargeFigures:
    """The resident memory of an operator in bytes: while the runs came, and after a restart."""

    runs: int
    suspended: bool
    run_bytes: int
    first_peak: int
    second_peak: int
    at_rest: int

    def __str__(self) -> str:
        kind = "suspended" if self.suspended else "working"
        first, second, rest = (
            f"{n / 2**20:.0f}" for n in (self.first_peak, self.second_peak, self.at_rest)
        )
        return (
            f"{self.runs} {kind} runs of {self.run_bytes / 1000:.0f} kB each: operator "
            f"at most {first} MiB while they came, at most {second} MiB after a restart, "
            f"{rest} MiB at rest"
        )


def measure_large(folder: Path, *, runs: int, suspended: bool) -> LargeFigures:
    """Create runs, restart the operator, and return its memory."""
    servers = Servers(folder / "servers", etcd_options=(f"--quota-backend-bytes={QUOTA_BYTES}",))
    servers.folder.mkdir(parents=True)
    try:
        server = servers.start_api_server()
        serve_crd(server)
        rights = Rights(server)
        rights.grant()
        rights.grant_lease("isheep-large")
        server.must("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        operator = OperatorProcess(
            folder / "operator",
            lambda: kubeconfig_with(server, rights.token),
            config_of(NAMESPACE, "isheep-large"),
            patches={},
        )
        operator.start()
        try:
            return _measured(server, operator, runs, suspended=suspended)
        finally:
            operator.kill()
            operator.wait()
    finally:
        servers.stop()


def _measured(
    server: ApiServer, operator: OperatorProcess, runs: int, *, suspended: bool
) -> LargeFigures:
    for number in range(runs):
        server.must("POST", RUNS, _document(number, suspended=suspended))
    phases = {"Suspended"} if suspended else {"Running", "Stalled", "Pending"}
    until(lambda: _planned(server, phases) == runs, PATIENCE_SECONDS, otherwise=operator.tail)
    key = f"/registry/isheep.dev/selfalignmentruns/{NAMESPACE}/{_name(0)}"
    run_bytes = len(server.etcd_value(key))
    time.sleep(SETTLING_SECONDS)
    first = operator.peak_bytes()
    operator.kill()
    operator.wait()
    # A restarted operator lists all runs with their statuses.
    operator.start()
    time.sleep(SETTLING_SECONDS)
    second, rest = operator.peak_bytes(), operator.memory_bytes()
    return LargeFigures(runs, suspended, run_bytes, first, second, rest)


def _planned(server: ApiServer, phases: set[str]) -> int:
    """Count the runs in some phases, page by page, by the columns that kubectl shows."""
    found, token = 0, ""
    while True:
        time.sleep(1.0)
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
        path = f"{RUNS}?limit=500&includeObject=None{token}"
        page = server.request("GET", path, accept=accept).body
        found += sum(row["cells"][1] in phases for row in page["rows"])
        if not page["metadata"].get("continue"):
            return found
        token = f"&continue={page['metadata']['continue']}"


def _name(number: int) -> str:
    return f"large-{number:04}"


def _document(number: int, *, suspended: bool) -> dict[str, Any]:
    metadata = {"name": _name(number), "annotations": {"note": NOTE}}
    spec = {**largest_spec(), "suspend": suspended, "storage": STORAGE, "randomSeed": number}
    return {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": metadata,
        "spec": spec,
    }
