"""The largest run on a real API server, and runs that exceed limits which an upgrade lowered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from isheep.api.generation.crd import crd
from isheep.kube.cache.records import run_record
from isheep.planner.pinning import pin

from ..unit.isheep.api.largest_run import LONGEST, largest_spec, other_bytes, stored_bytes
from .harness.servers import CRDS
from .harness.waiting import until
from .test_crd import CRD, MERGE_PATCH, RUNS, run_document

MOST_BYTES = 3 * 2**19
"""The largest request that etcd takes with its default settings."""
ANNOTATION_BYTES = 256 * 1024
"""The bound of the chart's policy (`chart/test_size_policy.py`)."""
STAGES_BYTES = 128 * 1024
"""The stages, conditions and history of a status with many iterations."""
LIMITS = ("maxItems", "maxLength", "maxProperties")
OVER = {
    "env": [{"name": f"V{n}", "value": "x" * 4096} for n in range(64)],
    "podAnnotations": {f"a{n}": "y" * 4096 for n in range(32)},
    "podLabels": {"k" * 200: "v"},
}


@pytest.fixture
def larger_limits(crd_server: Any) -> Iterator[Any]:
    """Serve a schema with larger limits and fewer rules, as an earlier version had."""
    replace_schema(crd_server, larger(crd()))
    yield lambda: replace_schema(crd_server, crd())
    replace_schema(crd_server, crd())


def larger(schema: Any) -> Any:
    """Return a schema with much larger limits in `compute`, and without its rules."""
    node = json.loads(json.dumps(schema))
    versions = node["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    _enlarge(versions["properties"]["spec"]["properties"]["compute"])
    return node


def _enlarge(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _enlarge(item)
    elif isinstance(node, dict):
        node.pop("x-kubernetes-validations", None)
        node |= {name: node[name] * 20 for name in LIMITS if isinstance(node.get(name), int)}
        for child in node.values():
            _enlarge(child)


def replace_schema(server: Any, schema: Any) -> None:
    """Replace the CRD, and wait until the server checks new runs with it."""

    def replaced() -> bool:
        current = server.must("GET", CRD)
        version = current["metadata"]["resourceVersion"]
        body = {**schema, "metadata": {**schema["metadata"], "resourceVersion": version}}
        return bool(
            server.request("PUT", f"{CRDS}/{current['metadata']['name']}", body).status < 300
        )

    until(replaced)
    accepts = schema != crd()
    probe = run_document("probe", compute={"inference": OVER})
    until(lambda: (server.request("POST", f"{RUNS}?dryRun=All", probe).status == 201) is accepts)


def pinned_status(run: Any) -> dict[str, Any]:
    """Return a status with the pinned values of a run, as the operator writes it."""
    resolved = pin(run_record(run, whole=True).view(), "image", retried=False)
    return {"observedGeneration": 1, "resolved": resolved.document()}


def test_the_largest_run_is_created_and_its_status_is_written(
    crd_server: Any, record_property: Callable[[str, object], None]
) -> None:
    """Also if its annotations have all the bytes that the chart's policy allows."""
    document = run_document("largest", **largest_spec())
    note = LONGEST * ((ANNOTATION_BYTES - len("note")) // len(r"\u003c"))
    document["metadata"]["annotations"] = {"note": note}
    # An API server tracks the managers of fields for server-side apply.
    path = f"{RUNS}/largest?fieldManager=author"
    created = crd_server.request("PATCH", path, document, "application/apply-patch+yaml")
    assert created.status == 201, created.message
    try:
        stages = [
            {"id": f"i20/generate/r{n}", "key": f"{n:064}", "counts": {"accepted": n}}
            for n in range(STAGES_BYTES // 140)
        ]
        status = {**pinned_status(created.body), "stages": stages}
        written = crd_server.request(
            "PATCH", f"{RUNS}/largest/status?fieldManager=operator", {"status": status}, MERGE_PATCH
        )
        assert written.status == 200, written.message
        key = "/registry/isheep.dev/selfalignmentruns/default/largest"
        size = len(crd_server.etcd_value(key))
        managed = stored_bytes(written.body["metadata"].get("managedFields", []))
        record_property("figures", f"{size} bytes, of them {managed} of managedFields")
        # The other fields of the spec are in both, too.
        assert size + 2 * other_bytes() < MOST_BYTES, f"{size} bytes, {managed} of managedFields"
    finally:
        crd_server.request("DELETE", f"{RUNS}/largest")


def test_a_stored_run_over_lowered_limits_can_be_suspended_and_deleted(
    crd_server: Any, larger_limits: Any
) -> None:
    document = run_document("over", compute={"inference": OVER})
    assert crd_server.request("POST", RUNS, document).status == 201
    larger_limits()
    refused = crd_server.request("POST", RUNS, {**document, "metadata": {"name": "another"}})
    assert refused.status == 422
    assert "spec.compute.inference.env" in refused.message
    path = f"{RUNS}/over"
    run = crd_server.must("GET", path)
    assert run_record(run).created < datetime.now(UTC)
    status = {"status": pinned_status(run)}
    assert crd_server.request("PATCH", f"{path}/status", status, MERGE_PATCH).status == 200
    suspend = crd_server.request("PATCH", path, {"spec": {"suspend": True}}, MERGE_PATCH)
    assert suspend.status == 200, suspend.message
    later = pin(run_record(suspend.body, whole=True).view(), "image", retried=False)
    assert later.spec["suspend"] is True
    assert later.spec["compute"]["inference"]["env"] == OVER["env"]
    assert crd_server.request("DELETE", path).status == 200
