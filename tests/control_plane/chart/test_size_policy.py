"""The policy that bounds the annotations and labels of a run, on a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from isheep.kube.cache.bounds import MOST_KUEUE_LABELS

from .policies import created, policy_objects, wait_for_status
from .test_admission import create_namespace, run_document

NAMESPACE = "chart-size"
RUNS = f"/apis/isheep.dev/v1alpha1/namespaces/{NAMESPACE}/selfalignmentruns"
MERGE_PATCH = "application/merge-patch+json"
MOST = 262144
OVER = "<" * (MOST // 6 + 1)


def annotated(name: str, note: str, **labels: str) -> dict[str, Any]:
    document = run_document(name)
    document["metadata"] |= {"annotations": {"note": note}, "labels": labels}
    return document


@pytest.fixture(scope="module")
def server(crd_server: Any, chart: Any) -> Iterator[Any]:
    """An API server with the policy, and a run over the bound that is older than it."""
    create_namespace(NAMESPACE, crd_server)
    assert crd_server.request("POST", RUNS, annotated("old", OVER)).status == 201
    rendered = chart.render({"watchNamespaces": [NAMESPACE]})
    bad = annotated("bad", OVER)
    with created(policy_objects(rendered, "size"), crd_server):
        wait_for_status(422, lambda: crd_server.request("POST", f"{RUNS}?dryRun=All", bad))
        yield crd_server
    crd_server.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}")


@pytest.mark.parametrize(
    "note",
    ["x" * 250_000, "<" * 40_000, '"' * 125_000, "\n" * 125_000, "ä" * 125_000, "\u2028" * 40_000],
    ids=["plain", "escaped", "quotes", "lines", "two-bytes", "separators"],
)
def test_texts_within_the_bound_are_accepted(note: str, server: Any) -> None:
    # What the API server stores is within the bound, too.
    assert len(go_json(note)) <= MOST
    answer = server.request("POST", f"{RUNS}?dryRun=All", annotated("new", note))
    assert answer.status == 201, answer.message


@pytest.mark.parametrize(
    "note",
    ["<" * 44_000, "&" * 44_000, '"' * 132_000, "\\" * 132_000, "\x01" * 44_000, "\u2029" * 44_000],
    ids=["less", "ampersand", "quotes", "backslashes", "control", "separators"],
)
def test_texts_over_the_bound_are_refused_with_their_size(note: str, server: Any) -> None:
    assert len(go_json(note)) > MOST
    answer = server.request("POST", f"{RUNS}?dryRun=All", annotated("new", note))
    assert answer.status == 422
    assert "metadata: the annotations and labels take " in answer.message
    assert "shorten them" in answer.message


def test_labels_count_too(server: Any) -> None:
    labels = {f"{'p' * 240}.{n}/{'n' * 60}": "v" * 60 for n in range(800)}
    answer = server.request("POST", f"{RUNS}?dryRun=All", annotated("new", "", **labels))
    assert answer.status == 422, answer.message


def test_labels_for_kueue_have_a_bound_of_their_own(server: Any) -> None:
    """The operator keeps them of each run, so it reads no more of them."""
    labels = {f"kueue.x-k8s.io/l{n}": "v" for n in range(MOST_KUEUE_LABELS)}
    answer = server.request("POST", f"{RUNS}?dryRun=All", annotated("new", "", **labels))
    assert answer.status == 201, answer.message
    labels["kueue.x-k8s.io/more"] = "v"
    answer = server.request("POST", f"{RUNS}?dryRun=All", annotated("new", "", **labels))
    assert answer.status == 422
    assert "more than 16 labels begin with kueue.x-k8s.io/" in answer.message


def test_a_run_that_is_older_than_the_policy_can_be_suspended_and_shortened(server: Any) -> None:
    path = f"{RUNS}/old"
    suspend = {"spec": {"suspend": True}}
    assert server.request("PATCH", path, suspend, MERGE_PATCH).status == 200
    more = {"metadata": {"annotations": {"another": "one"}}}
    assert server.request("PATCH", path, more, MERGE_PATCH).status == 422
    fewer = {"metadata": {"annotations": {"note": None}}}
    assert server.request("PATCH", path, fewer, MERGE_PATCH).status == 200


def go_json(text: str) -> bytes:
    """Return a text as Go's encoding/json writes it, which API servers use."""
    escaped = json.dumps(text, ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        escaped = escaped.replace(char, f"\\u{ord(char):04x}")
    return escaped.encode()
