"""Measure the memory of an operator with many runs of the usual size.

The runs are of a recipe with the default settings, and their statuses are those of a run with
some iterations, as the planner writes them. The API server stores the first one, and the others are
copies in etcd. There are no controllers and no nodes. The operator has nothing to do but to keep
the runs, and to start one more run, which has no status yet. The operator is the installed command,
and it is started again for each number of runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isheep.planner.plan import plan
from isheep.planner.types import Environment, Observed

from ...unit.isheep.planner.simulation import PlannerSimulation, make_run, spec_with
from .api import MERGE_PATCH, ApiServer
from .latency import config_of
from .operator_process import OperatorProcess
from .rbac import Rights
from .servers import Servers, kubeconfig_with, serve_crd
from .stored_copies import write_copies
from .waiting import until

QUOTA_BYTES = 8 * 2**30
NAMESPACE = "many"
KEYS = f"/registry/isheep.dev/selfalignmentruns/{NAMESPACE}"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
RUNS = f"/apis/isheep.dev/v1alpha1/namespaces/{NAMESPACE}/selfalignmentruns"
ITERATIONS = 3
SETTLING_SECONDS = 30.0
PATIENCE_SECONDS = 3600.0
WATCHES = 2
LEASE = "isheep-many"


@dataclass(frozen=True)
class MemoryFigures:
    """The resident memory of an operator in bytes: the peak of its start, and afterwards.

    `action_seconds` and `action_cpu` are the time and the CPU time from the start to the first Job,
    `cpu_seconds` is the CPU time until all watches are open.
    """

    runs: int
    phase: str
    run_bytes: int
    peak: int
    at_rest: int
    action_seconds: float
    action_cpu: float
    cpu_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.runs} runs in phase {self.phase} of {self.run_bytes / 1000:.0f} kB each: at "
            f"most {self.peak / 2**20:.0f} MiB at the start, "
            f"{self.at_rest / 2**20:.0f} MiB at rest; the first Job after "
            f"{self.action_seconds:.0f} s and {self.action_cpu:.1f} s of CPU, the watches after "
            f"{self.cpu_seconds:.1f} s of CPU"
        )


def measure_many(folder: Path, counts: Sequence[int], *, stalled: bool) -> Iterator[MemoryFigures]:
    """Yield the memory for each number of runs, which must grow.

    Args:
        folder: An empty folder.
        counts: The numbers of runs.
        stalled: Whether the runs wait for something and keep their spec in memory; otherwise they
            have ended.
    """
    servers = Servers(folder / "servers", etcd_options=(f"--quota-backend-bytes={QUOTA_BYTES}",))
    servers.folder.mkdir(parents=True)
    try:
        server = servers.start_api_server()
        serve_crd(server)
        rights = Rights(server)
        rights.grant()
        rights.grant_lease(LEASE)
        server.must("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        status = _status(stalled=stalled)
        _create(server, 0, status, stalled=stalled)
        made = 1
        for count in counts:
            names = (_name(number) for number in range(made, count))
            write_copies(server, f"{KEYS}/{_name(0)}", names)
            made = count
            server.must("POST", RUNS, _run(f"new-{count}", _spec(count, stalled=False)))
            operator = OperatorProcess(
                folder / f"operator-{count}",
                lambda: kubeconfig_with(server, rights.token),
                {**config_of(NAMESPACE, LEASE), "defaultStorage": None},
                patches={},
            )
            yield _measured(server, operator, count, status["phase"])
    finally:
        servers.stop()


def _measured(server: ApiServer, operator: OperatorProcess, runs: int, phase: str) -> MemoryFigures:
    size = len(server.etcd_value(f"{KEYS}/{_name(0)}"))
    began = time.monotonic()
    operator.start(wait=False)
    try:
        until(lambda: f"new-{runs}" in _at_work(server), PATIENCE_SECONDS, otherwise=operator.tail)
        action = time.monotonic() - began, operator.cpu_seconds()
        until(lambda: _is_complete(operator), PATIENCE_SECONDS, otherwise=operator.tail)
        cpu = operator.cpu_seconds()
        time.sleep(SETTLING_SECONDS)
        memory = operator.peak_bytes(), operator.memory_bytes()
        return MemoryFigures(runs, phase, size, *memory, *action, cpu)
    finally:
        operator.kill()
        operator.wait()


def _at_work(server: ApiServer) -> set[str]:
    """Return the names of the runs that have a Job."""
    jobs = server.must("GET", JOBS)["items"]
    return {job["metadata"]["labels"]["isheep.dev/run"] for job in jobs}


def _is_complete(operator: OperatorProcess) -> bool:
    """Return whether the operator has listed everything, and kopf has listed it too."""
    assert operator.is_alive(), operator.tail()
    log = operator.log.read_text(errors="replace")
    return operator.is_ready() and log.count("Watch opened") >= WATCHES


def _name(number: int) -> str:
    return f"many-{number:05}"


def _spec(number: int, *, stalled: bool) -> dict[str, Any]:
    """Return the spec of a run with the usual grouping; a stalled run has no store."""
    spec = {**spec_with(iterations=ITERATIONS), "randomSeed": number, "compute": {}}
    return {name: value for name, value in spec.items() if name != "storage" or not stalled}


def _status(*, stalled: bool) -> dict[str, Any]:
    """Return the status of a run that has ended, or of one that waits for a store."""
    simulation = PlannerSimulation(make_run(_spec(0, stalled=False)))
    simulation.run_to_end()
    run = simulation.run
    if stalled:
        # The values are pinned for an earlier spec, which had a store.
        resolved = {**(run.status.resolved or {}), "generation": 0}
        status = run.status.model_copy(update={"resolved": resolved})
        view = replace(run, spec=_spec(0, stalled=True), status=status)
        waits = plan(replace(view, generation=2), Observed(), simulation.now, Environment()).status
        again = plan(replace(view, status=waits), Observed(), simulation.now, Environment())
        return dict(again.status.document())
    return dict(run.status.document())


def _create(server: ApiServer, number: int, status: dict[str, Any], *, stalled: bool) -> None:
    server.must("POST", RUNS, _run(_name(number), _spec(number, stalled=stalled)))
    path = f"{RUNS}/{_name(number)}/status"
    server.must("PATCH", path, {"status": status}, content_type=MERGE_PATCH)


def _run(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": name},
        "spec": spec,
    }
