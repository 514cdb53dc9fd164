"""The API server of the simulation answers as a real one does, to the same random requests.

Both servers get the same requests about runs, Jobs and Leases, drawn from a seed: creations, edits,
writes of a status, and deletions, with resource versions and UIDs that are current, old or wrong.
The answers must agree in what the operator reads.
"""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from ..simulation import api_server as simulated
from ..simulation.api_server import Refused
from ..unit.isheep.kube.virtual_time import run_in_virtual_time
from ..unit.isheep.planner.simulation import SPEC
from .harness.api import MERGE_PATCH, ApiServer

OPERATIONS = 120
NAMES = ("a", "b", "c")
LABELS = {"app.kubernetes.io/managed-by": "isheep-operator"}
Send = Callable[[str, str, Any], tuple[int, dict[str, Any]]]


def paths(namespace: str) -> dict[str, str]:
    return {
        "runs": f"/apis/isheep.dev/v1alpha1/namespaces/{namespace}/selfalignmentruns",
        "jobs": f"/apis/batch/v1/namespaces/{namespace}/jobs",
        "leases": f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
    }


def documents(name: str) -> dict[str, Any]:
    """Return the object of each kind; the finalizer keeps a Job, so no controller removes it."""
    container = {"name": "worker", "image": "image"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    job = {"suspend": True, "template": {"spec": pod}}
    metadata = {"name": name, "labels": LABELS}
    held = {**metadata, "finalizers": ["isheep.dev/held-by-a-test"]}
    run = {"apiVersion": "isheep.dev/v1alpha1", "kind": "SelfAlignmentRun"}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    return {
        "runs": {**run, "metadata": metadata, "spec": copy.deepcopy(SPEC)},
        "jobs": {"apiVersion": "batch/v1", "kind": "Job", "metadata": held, "spec": job},
        "leases": {**lease, "metadata": metadata, "spec": {"holderIdentity": "one"}},
    }


@dataclass
class Side:
    """One of the two servers, with the versions and UIDs that its answers have had."""

    send: Send
    seen: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def request(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """Send a request, and return what must agree of the answer."""
        status, answer = self.send(method, path, body)
        if "dryRun" in path:
            return {"status": status}
        metadata = answer.get("metadata") or {}
        if "uid" in metadata and status < 300:
            self.seen.setdefault(path.removesuffix("/status"), []).append(metadata)
        return {
            "status": status,
            "reason": answer.get("reason") if status >= 300 else None,
            "generation": metadata.get("generation"),
            "deleting": "deletionTimestamp" in metadata,
            "spec": _holder(answer),
            "phase": (answer.get("status") or {}).get("phase")
            if isinstance(answer.get("status"), dict)
            else None,
        }

    def metadata(self, path: str, age: int) -> dict[str, Any]:
        """Return the metadata in the last answer about an object, or in an earlier one."""
        found = self.seen.get(path) or [{"resourceVersion": "1", "uid": "none"}]
        return found[max(-len(found), -1 - age)]


def _holder(answer: dict[str, Any]) -> Any:
    spec = answer.get("spec") or {}
    return [spec.get("holderIdentity"), spec.get("iterations"), bool(spec.get("suspend"))]


@dataclass(frozen=True)
class Operation:
    """A request whose body depends on the versions that each side has seen."""

    method: str
    path: str
    body: Callable[[Side], Any]


def operations(chance: random.Random, namespace: str) -> Iterator[Operation]:
    """Yield random requests."""
    for number in range(OPERATIONS):
        # A number in each write makes it a change, because a real server also notes who wrote.
        kind, name = chance.choice(("runs", "runs", "jobs", "leases")), chance.choice(NAMES)
        folder = paths(namespace)[kind]
        place = f"{folder}/{name}"
        age = chance.choice((0, 0, 0, 1, 3))
        verb = chance.choice(("create", "get", "status", "edit", "replace", "delete", "dry-run"))
        if verb in ("create", "dry-run"):
            query = "?dryRun=All" if verb == "dry-run" else ""
            document = documents(name)[kind]
            yield Operation("POST", f"{folder}{query}", lambda _, d=document: d)
        elif verb == "get":
            yield Operation("GET", place, lambda _: None)
        elif verb == "status" and kind == "runs":
            yield Operation(
                "PATCH", f"{place}/status", _status(place, age, number, chance.random() < 0.7)
            )
        elif verb == "edit" and kind == "runs":
            spec = chance.choice(({"iterations": 3}, {"iterations": 2}, {"suspend": True}))
            metadata = {"annotations": {"number": str(number)}}
            patch = {"spec": spec, "metadata": metadata}
            yield Operation("PATCH", place, lambda _, p=patch: p)
        elif verb == "replace" and kind == "leases":
            yield Operation("PUT", place, _lease(name, place, age, f"holder-{number}"))
        elif verb == "delete":
            # After a Foreground deletion, the real garbage collector removes an object at some
            # later time, unless another finalizer keeps it.
            policies = ("Foreground", "Background") if kind == "jobs" else ("Background",)
            policy = chance.choice(policies)
            yield Operation("DELETE", place, _deletion(place, age, policy, chance.random()))


def _status(place: str, age: int, number: int, versioned: bool) -> Callable[[Side], Any]:
    def body(side: Side) -> Any:
        patch: dict[str, Any] = {"status": {"observedGeneration": number, "phase": "Running"}}
        if versioned:
            version = side.metadata(place, age)["resourceVersion"]
            patch["metadata"] = {"resourceVersion": version}
        return patch

    return body


def _lease(name: str, place: str, age: int, holder: str) -> Callable[[Side], Any]:
    def body(side: Side) -> Any:
        version = side.metadata(place, age)["resourceVersion"]
        document = documents(name)["leases"]
        metadata = {**document["metadata"], "resourceVersion": version}
        return {**document, "metadata": metadata, "spec": {"holderIdentity": holder}}

    return body


def _deletion(place: str, age: int, policy: str, chance: float) -> Callable[[Side], Any]:
    def body(side: Side) -> Any:
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": policy,
        }
        metadata = side.metadata(place, age)
        if chance < 0.4:
            options["preconditions"] = {"uid": metadata["uid"]}
        elif chance < 0.7 and "/jobs/" not in place:
            # A controller may write the status of a Job, and then its version differs.
            options["preconditions"] = {"resourceVersion": metadata["resourceVersion"]}
        return options

    return body


def real_side(server: ApiServer) -> Side:
    """Return the real server."""

    def send(method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        answer = server.request(method, path, body, content_type=kind)
        return answer.status, answer.body

    return Side(send)


def simulated_side() -> tuple[simulated.ApiServer, Side]:
    """Return the server of the simulation; its requests need a running event loop."""
    server = simulated.ApiServer()

    def send(method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        answer = server.handle(method, path, body)
        return answer.status, json.loads(answer.content)

    return server, Side(send)


@pytest.fixture
def namespace(crd_server: ApiServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"simulated-{abs(hash(request.node.name)) % 10**8}"
    crd_server.must("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    for path in paths(name).values():
        for item in crd_server.get(path)["items"]:
            patch = {"metadata": {"finalizers": None}}
            place = f"{path}/{item['metadata']['name']}"
            crd_server.request("PATCH", place, patch, content_type=MERGE_PATCH)
    crd_server.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.mark.parametrize("seed", range(3))
def test_both_servers_answer_alike(crd_server: ApiServer, namespace: str, seed: int) -> None:
    real = real_side(crd_server)

    async def compare() -> None:
        _, fake = simulated_side()
        for number, operation in enumerate(operations(random.Random(seed), namespace)):
            bodies = [operation.body(side) for side in (real, fake)]
            answers = [
                side.request(operation.method, operation.path, body)
                for side, body in zip((real, fake), bodies, strict=True)
            ]
            assert answers[0] == answers[1], f"{number}: {operation} {bodies}"

    run_in_virtual_time(compare())


def test_both_servers_list_alike(crd_server: ApiServer, namespace: str) -> None:
    real = real_side(crd_server)

    async def compare() -> None:
        _, fake = simulated_side()
        path = paths(namespace)["runs"]
        for name in ("a", "b", "c", "d"):
            document = documents(name)["runs"]
            if name == "c":
                document["metadata"] = {"name": name}
            for side in (real, fake):
                side.request("POST", path, document)
        selector = quote(",".join(f"{n}={v}" for n, v in LABELS.items()))
        found = [_pages(side, f"{path}?limit=2&labelSelector={selector}") for side in (real, fake)]
        assert found[0] == found[1] == [["a", "b"], ["d"]]

    run_in_virtual_time(compare())


def _pages(side: Side, url: str) -> list[list[str]]:
    pages, token = [], ""
    while True:
        status, answer = side.send("GET", f"{url}&continue={token}" if token else url, None)
        assert status == 200
        pages.append(sorted(item["metadata"]["name"] for item in answer["items"]))
        token = answer["metadata"].get("continue", "")
        if not token:
            return pages


def test_both_servers_have_lost_the_history_after_a_compaction(crd_server: ApiServer) -> None:
    """A watch from an old version gets 410, as a status or as its only event."""
    crd_server.compact()
    path = "/apis/isheep.dev/v1alpha1/selfalignmentruns"
    answer = crd_server.request("GET", f"{path}?watch=1&resourceVersion=1&timeoutSeconds=2")
    found = answer.body.get("object", answer.body)
    assert (answer.status if answer.status != 200 else found["code"]) == 410

    async def expired() -> None:
        server, fake = simulated_side()
        fake.request("POST", paths("ns")["runs"], documents("a")["runs"])
        server.compact()
        server.since(server.version)
        with pytest.raises(Refused) as refused:
            server.since(1)
        assert refused.value.status == 410
        await asyncio.sleep(0)

    run_in_virtual_time(expired())
