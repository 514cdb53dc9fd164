"""Each cause of docs/reference/stuck-runs.md, at the same time on one control plane, with kubectl.

The operator has no patches and its usual timings. Each cause has its own namespace. When all causes
exist, a minute begins; then `kubectl get` must show for each run what the row of the page says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ..harness.cluster import Cluster
from ..harness.invariants import CONDITIONS, conditions_of
from ..harness.namespace_fixture import NamespaceFixture
from ..harness.operator_environment import OperatorEnvironment
from ..harness.servers import Servers, serve_crd
from ..harness.waiting import until
from .kubernetes_causes import NOT_STARTED, REFUSED, WITHOUT_NODE
from .page import PAGE, Row, rows
from .run_causes import ENDED, OWN

PRODUCERS = {**REFUSED, **WITHOUT_NODE, **NOT_STARTED, **ENDED, **OWN}
ROWS = rows(PAGE.read_text("utf-8"))
MINUTE = 60.0
AT_ONCE = 8
STATUS_REFUSED = "StatusRefused"
CLAIMS_API = "/apis/resource.k8s.io/v1"
NO_CLAIM = "ResourceClaimNotCreated"
TOO_LARGE = {"kind": "Status", "status": "Failure", "code": 422, "message": "etcdserver: too large"}


def name_of(number: int) -> str:
    return f"cause-{number}"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of this test alone, because deleting its many namespaces disturbs other tests."""
    servers = Servers(tmp_path / "servers")
    servers.folder.mkdir()
    try:
        server = servers.start_api_server()
        serve_crd(server)
        opened = Cluster.open(servers, server)
        try:
            yield opened
        finally:
            opened.close()
    finally:
        servers.stop()


@pytest.fixture
def namespaces(cluster: Cluster, tmp_path: Path) -> Iterator[list[NamespaceFixture]]:
    """A namespace for each row and one more, watched by one operator with its usual timings."""
    names = [name_of(number) for number in range(len(ROWS) + 1)]
    folder = tmp_path / "operator"
    environment = OperatorEnvironment(cluster, folder, names, patches={}, timings={})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(environment.namespace, names))
    environment.start()
    try:
        yield found
    finally:
        environment.close(check=False)


def test_the_page_has_each_cause_once_and_each_cause_is_produced() -> None:
    assert len(ROWS) >= 25
    assert sorted(row.cause for row in ROWS) == sorted(PRODUCERS)


def test_every_row_has_a_remedy_and_a_known_reason() -> None:
    from isheep.contract.reasons import Reason

    for row in ROWS:
        assert Reason(row.reason)
        assert row.remedy
        assert row.phase in CONDITIONS


@pytest.mark.alone
def test_kubectl_shows_the_cause_of_every_wait_within_a_minute(
    namespaces: list[NamespaceFixture],
) -> None:
    *of_rows, other = namespaces
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = [
            pool.submit(PRODUCERS[row.cause], namespace)
            for row, namespace in zip(ROWS, of_rows, strict=True)
        ]
        other.proxy.reject("PATCH", f"{other.runs_path('run')}/status", 422, TOO_LARGE)
        PRODUCERS["The run is suspended."](other)
        for one in made:
            one.result()

    unseen = dict(enumerate(ROWS))
    if other.api.request("GET", CLAIMS_API).status == 404:
        # Kubernetes before 1.34 ignores claims of devices.
        unseen = {n: row for n, row in unseen.items() if row.reason != NO_CLAIM}

    def all_seen() -> bool:
        """Look once; a run whose retries or grace are over shows another state later."""
        runs, columns = shown(other), shown_columns(other)
        for number, row in list(unseen.items()):
            name = name_of(number)
            if matches(row, runs.get(name)) and columns.get(name) == (row.phase, row.reason):
                del unseen[number]
        return not unseen

    def missing() -> str:
        runs = shown(other)
        states = {name: run.get("status", {}).get("conditions") for name, run in runs.items()}
        return "\n".join(f"{row.cause} {states.get(name_of(n))}" for n, row in unseen.items())

    until(all_seen, MINUTE, otherwise=missing)
    until(lambda: STATUS_REFUSED in other.kubectl("get", "events").stdout, MINUTE)


def shown(namespace: NamespaceFixture) -> dict[str, dict[str, Any]]:
    """Return the run `run` of each namespace, as kubectl shows it."""
    answer = namespace.kubectl("get", "sheep", "--all-namespaces", "--output=json").stdout
    items = [item for item in json.loads(answer)["items"] if item["metadata"]["name"] == "run"]
    return {item["metadata"]["namespace"]: item for item in items}


def matches(row: Row, run: dict[str, Any] | None) -> bool:
    """Return whether a run shows what a row says: in phase, conditions and message."""
    if run is None:
        return False
    found = conditions_of(run)
    ready = found.get("Ready", {})
    states = {kind: found.get(kind, {}).get("status") for kind in CONDITIONS[row.phase]}
    return (
        run["status"].get("phase") == row.phase
        and states == CONDITIONS[row.phase]
        and all(found[kind]["reason"] == row.reason for kind in CONDITIONS[row.phase])
        and row.words in ready.get("message", "")
    )


def shown_columns(namespace: NamespaceFixture) -> dict[str, tuple[str, ...]]:
    """Return phase and reason of the same runs, from the columns of `kubectl get`."""
    lines = namespace.kubectl("get", "sheep", "--all-namespaces", "--no-headers").stdout
    cells = [line.split() for line in lines.splitlines()]
    return {cell[0]: tuple(cell[2:4]) for cell in cells if cell[1] == "run"}
