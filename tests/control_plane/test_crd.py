"""The generated CRD on a real API server: structural, with immutable fields and columns."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRun
from isheep.api.validation.validations import violations
from isheep.kube.client import TOO_LARGE

from .harness.waiting import until

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/selfalignmentruns.isheep.dev"
RUNS = "/apis/isheep.dev/v1alpha1/namespaces/default/selfalignmentruns"
MERGE_PATCH = "application/merge-patch+json"

S3 = {"s3": {"bucket": "one-bucket"}}


def run_document(name: str, **spec: Any) -> dict[str, Any]:
    required = {"recipe": "ISheep", "iterations": 2, "model": {"storageUri": "hf://org/name"}}
    return {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": name},
        "spec": required | spec,
    }


def test_the_crd_is_established_and_structural(crd_server: Any) -> None:
    def conditions() -> dict[str, str]:
        found = crd_server.request("GET", CRD).body["status"]["conditions"]
        return {condition["type"]: condition["status"] for condition in found}

    # An API server serves a new resource some seconds before it says so.
    until(lambda: conditions().get("Established") == "True")
    assert "NonStructuralSchema" not in conditions()


def test_a_new_run_observes_no_generation_and_has_its_columns(crd_server: Any) -> None:
    created = crd_server.request("POST", RUNS, run_document("columns"))
    assert created.status == 201, created.message
    assert created.body["status"] == {"observedGeneration": -1}
    status = {
        "observedGeneration": 1,
        "phase": "Running",
        "iteration": 2,
        "stage": {"id": "i2/respond", "key": "0" * 64},
        "progress": "2/5 respond 41%",
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Running",
                "lastTransitionTime": "2026-01-31T12:00:00Z",
            }
        ],
        "history": [{"iteration": 1, "kept": 12}, {"iteration": 2, "kept": 34}],
        "resolved": {"anything": {"goes": [1, None]}},
    }
    path = f"{RUNS}/columns/status"
    patched = crd_server.request("PATCH", path, {"status": status}, MERGE_PATCH)
    assert patched.status == 200, patched.message
    assert patched.body["status"]["resolved"] == {"anything": {"goes": [1, None]}}
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    shown = crd_server.request("GET", f"{RUNS}/columns", accept=table).body
    names = [column["name"] for column in shown["columnDefinitions"]]
    assert names == ["Name", "Phase", "Reason", "Progress", "Kept", "Best", "Age"]
    cells = shown["rows"][0]["cells"]
    assert cells[:5] == ["columns", "Running", "Running", "2/5 respond 41%", 34]


@pytest.mark.parametrize(
    ("before", "change", "refused"),
    [
        ({}, {"iterations": 3}, None),
        ({"storage": S3}, {"iterations": 3}, None),
        ({"storage": S3}, {"storage": {"s3": {"bucket": "one-bucket"}}}, None),
        ({"storage": S3}, {"storage": {"s3": {"bucket": "other-bucket"}}}, "storage"),
        ({"storage": S3}, {"storage": {"s3": {"prefix": "elsewhere"}}}, "storage"),
        ({"storage": S3}, {"storage": None}, "storage"),
        ({}, {"storage": S3}, "storage"),
        ({}, {"recipe": "Dromedary"}, "recipe"),
    ],
)
def test_the_recipe_and_the_storage_cannot_be_changed(
    before: dict[str, Any], change: dict[str, Any], refused: str | None, crd_server: Any
) -> None:
    old = run_document("transition", **before)
    assert crd_server.request("POST", RUNS, old).status == 201
    try:
        path = f"{RUNS}/transition"
        answer = crd_server.request("PATCH", path, {"spec": change}, MERGE_PATCH)
        new = merged(old, {"spec": change})
        local = violations(SelfAlignmentRun.read(new), SelfAlignmentRun.read(old))
        if refused is None:
            assert answer.status == 200, answer.message
            assert local == []
        else:
            assert answer.status == 422
            assert f"spec.{refused}: " in answer.message
            assert [violation.path for violation in local] == [("spec", refused)]
    finally:
        crd_server.request("DELETE", f"{RUNS}/transition")


def merged(document: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7396) as the API server does."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def test_the_server_and_the_loader_accept_whole_floats_as_integers(crd_server: Any) -> None:
    text = (
        '{"apiVersion": "isheep.dev/v1alpha1", "kind": "SelfAlignmentRun", '
        '"metadata": {"name": "json"}, "spec": {"recipe": "ISheep", "iterations": 3.0, '
        '"model": {"storageUri": "hf://org/name"}}}'
    )
    answer = crd_server.request("POST", f"{RUNS}?dryRun=All&fieldValidation=Strict", text)
    assert answer.status == 201, answer.message
    assert SelfAlignmentRun.read(answer.body).spec.iterations == 3


def test_an_object_that_the_store_does_not_accept_is_recognised_by_the_message(
    crd_server: Any,
) -> None:
    """The operator must not take it for an outage, because the next try has the same end."""
    assert crd_server.request("POST", RUNS, run_document("large")).status == 201
    try:
        status = {"status": {"resolved": {"large": "x" * 2_000_000}}}
        answer = crd_server.request("PATCH", f"{RUNS}/large/status", status, MERGE_PATCH)
        assert answer.status >= 400
        assert TOO_LARGE.search(answer.message), answer.message
    finally:
        crd_server.request("DELETE", f"{RUNS}/large")
