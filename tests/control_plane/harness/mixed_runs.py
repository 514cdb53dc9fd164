"""Measure the memory of an operator with thousands of runs of the largest size, in all states.

The API server accepts the largest run of each state and its status; the others are copies in etcd
(`stored_copies`), because thousands of such CREATEs would take hours. There are no controllers and
no nodes:

- The Jobs of runs at work have no pods. These runs have the largest environment and annotations.
- The API server refuses the Jobs of Stalled runs, because the largest texts are no valid names.

The operator is the installed command with its default waits. The peaks are those of the kernel
(VmHWM), which is reset between the phases.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isheep.kube.cache.records import run_record
from isheep.planner.pinning import pin

from ...unit.isheep.api.largest_run import largest_spec
from .api import MERGE_PATCH, ApiServer
from .large_runs import NAMESPACE, NOTE, RUNS
from .latency import config_of
from .operator_process import OperatorProcess
from .rbac import Rights
from .servers import Servers, kubeconfig_with, serve_crd
from .stored_copies import write_copies
from .waiting import until

ETCD_OPTIONS = (
    f"--quota-backend-bytes={16 * 2**30}",
    # etcd keeps the last entries of its log in memory, and each of them has 1.4 MB.
    "--snapshot-count=200",
    "--snapshot-catchup-entries=10",
    "--max-wals=1",
)
API_SERVER_OPTIONS = ("--watch-cache=false",)
"""With its cache, the API server holds all runs in memory: more than 12 GB for 3,000 of them.

The operator reads the same pages and the same events without it, and gets them from etcd."""
GO_MEMORY = {"GOGC": "200", "GOMEMLIMIT": "8GiB"}
KEYS = f"/registry/isheep.dev/selfalignmentruns/{NAMESPACE}"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
LEASE = "isheep-mixed"
STAGES = 128 * 1024 // 160
NEW_RUNS, CLIENTS = 20, 8
QUIET_SECONDS = 30.0
PATIENCE_SECONDS = 7200.0
LABEL_CHARACTERS = 63
STATES: Mapping[str, Mapping[str, Any]] = {
    "finished": {"phase": "Succeeded", "completionTime": "2026-11-01T00:00:00Z"},
    "suspended": {"phase": "Suspended"},
    "stalled": {"phase": "Stalled"},
    "working": {"phase": "Pending"},
}

MIXTURE: Mapping[str, int] = {"finished": 1440, "suspended": 1440, "stalled": 20, "working": 100}
"""The numbers of runs in the benchmark."""


@dataclass(frozen=True)
class Phase:
    """The largest resident memory in a phase, that at its end, and the CPU time of the phase."""

    name: str
    peak: int
    at_rest: int
    cpu_seconds: float

    def __str__(self) -> str:
        peak, rest = (f"{n / 2**20:.0f} MiB" for n in (self.peak, self.at_rest))
        return f"{self.name}: at most {peak}, {rest} at its end, {self.cpu_seconds:.0f} s of CPU"


def measure_mixed(folder: Path, counts: Mapping[str, int]) -> Iterator[Phase]:
    """Yield the phases of an operator with `counts` runs of each state of STATES."""
    servers = Servers(
        folder / "servers",
        etcd_options=ETCD_OPTIONS,
        api_server_options=API_SERVER_OPTIONS,
        environment=GO_MEMORY,
    )
    servers.folder.mkdir(parents=True)
    try:
        server = servers.start_api_server()
        _prepare(servers, server, counts)
        rights = Rights(server)
        rights.grant()
        rights.grant_lease(LEASE)
        operator = OperatorProcess(
            folder / "operator",
            lambda: kubeconfig_with(server, rights.token),
            config_of(NAMESPACE, LEASE),
            patches={},
        )
        try:
            yield from _phases(servers, server, operator, counts)
        finally:
            operator.kill()
            operator.wait()
    finally:
        servers.stop()


def _prepare(servers: Servers, server: ApiServer, counts: Mapping[str, int]) -> None:
    """Store all runs."""
    serve_crd(server)
    server.must("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for state, count in counts.items():
        if count:
            _create(server, state)
    servers.programs["kube-apiserver"].stop()
    for state, count in counts.items():
        if count:
            write_copies(server, f"{KEYS}/{_name(state, 0)}", _names(state, count))
    servers.restart_api_server(server)
    until(lambda: _answers(server), PATIENCE_SECONDS, otherwise=servers.logs)


def _answers(server: ApiServer) -> bool:
    """Return whether the API server has read the runs from etcd, which takes minutes."""
    try:
        return server.request("GET", f"{RUNS}?limit=1").status == 200
    except OSError:
        return False


def _phases(
    servers: Servers, server: ApiServer, operator: OperatorProcess, counts: Mapping[str, int]
) -> Iterator[Phase]:
    operator.start(wait=False)
    until(operator.is_ready, PATIENCE_SECONDS, otherwise=operator.tail)
    yield _ended("own LIST", operator, 0.0)
    before = operator.cpu_seconds()
    until(lambda: _opened(operator) >= 2, PATIENCE_SECONDS, otherwise=operator.tail)
    yield _ended("LIST of kopf and first passes", operator, before)
    before = operator.cpu_seconds()
    until(lambda: _jobs(server) == counts.get("working", 0), PATIENCE_SECONDS)
    _settle(server)
    yield _ended("passes", operator, before)
    before = operator.cpu_seconds()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda n: server.must("POST", RUNS, _document("new", n)), range(NEW_RUNS)))
    _settle(server)
    yield _ended(f"{NEW_RUNS} new runs at the same time", operator, before)
    before, known = operator.cpu_seconds(), _opened(operator)
    # The runs have changed meanwhile, so kopf lists them all again.
    server.compact()
    servers.restart_api_server(server)
    until(lambda: _opened(operator) > known, PATIENCE_SECONDS, otherwise=operator.tail)
    _settle(server)
    yield _ended("reconnect of the watches, and a new LIST", operator, before)


def _ended(name: str, operator: OperatorProcess, before: float) -> Phase:
    """Return the phase that ends now, and reset the peak."""
    assert operator.process is not None, name
    figures = operator.peak_bytes(), operator.memory_bytes(), operator.cpu_seconds() - before
    Path(f"/proc/{operator.process.pid}/clear_refs").write_text("5")
    return Phase(name, *figures)


def _opened(operator: OperatorProcess) -> int:
    assert operator.is_alive(), operator.tail()
    return operator.log.read_text(errors="replace").count("Watch opened")


def _jobs(server: ApiServer) -> int:
    time.sleep(1.0)
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    return len(server.request("GET", f"{JOBS}?includeObject=None", accept=accept).body["rows"])


def _settle(server: ApiServer) -> None:
    """Wait until nobody has listed runs for some time."""
    known, since = -1.0, time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        time.sleep(2.0)
        if (made := _lists(server)) != known:
            known, since = made, time.monotonic()


def _lists(server: ApiServer) -> float:
    """Return the number of LISTs of runs that the API server has answered."""
    text = server.request("GET", "/metrics", accept="text/plain").body
    lines = re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", text, re.MULTILINE)
    wanted = ('resource="selfalignmentruns"', 'verb="LIST"')
    return sum(float(value) for labels, value in lines if all(w in labels for w in wanted))


def _create(server: ApiServer, state: str) -> None:
    """Create the first run of a state, with its status."""
    path = f"{RUNS}/{_name(state, 0)}"
    applied = "application/apply-patch+yaml"
    made = server.must(
        "PATCH", f"{path}?fieldManager=author", _document(state, 0), content_type=applied
    )
    status = {**STATES[state], "observedGeneration": 1, "resolved": _pinned(made)}
    if state != "working":
        figures = {"committed": True, "counts": {"accepted": 7}}
        status["stages"] = [
            {"id": f"i20/generate/r{n}", "key": f"{n:064}", **figures} for n in range(STAGES)
        ]
    body = {"status": status}
    server.must("PATCH", f"{path}/status?fieldManager=isheep", body, content_type=MERGE_PATCH)


def _pinned(run: Any) -> dict[str, Any]:
    return pin(run_record(run, whole=True).view(), "image", retried=False).document()


def _document(state: str, number: int) -> dict[str, Any]:
    # Each run has its own place in the store, so that none waits for the stage of another run.
    storage = {"s3": {"bucket": "bucket", "prefix": _name(state, number)}}
    spec = {**largest_spec(), "suspend": state in ("suspended", "new"), "storage": storage}
    if state == "working":
        pools = ("inference", "training", "processing")
        compute = {**spec["compute"], **{name: _valid(spec["compute"][name]) for name in pools}}
        spec |= {"compute": compute}
    return {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": _name(state, number), "annotations": {"note": NOTE}},
        "spec": {**spec, "randomSeed": number},
    }


def _valid(pool: dict[str, Any]) -> dict[str, Any]:
    """Return the largest pool whose Jobs an API server accepts."""
    annotations = {key[:LABEL_CHARACTERS]: value for key, value in pool["podAnnotations"].items()}
    return {"env": pool["env"], "podAnnotations": annotations}


def _name(state: str, number: int) -> str:
    return f"{state}-{number:05}"


def _names(state: str, count: int) -> Iterator[str]:
    return (_name(state, number) for number in range(1, count))
