"""A run under the real kubectl: apply, wait, get, describe, annotate and delete."""

from __future__ import annotations

import json

import pytest

from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import Exit, Hold
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""


def test_wait_ends_when_the_run_is_complete(namespace: NamespaceFixture) -> None:
    namespace.workers.prefill(FROM_TRAIN.fields, "i1/train")
    manifest = namespace.operator.folder / f"{namespace.name}.json"
    manifest.write_text(json.dumps(FROM_TRAIN.document()))
    namespace.kubectl("apply", f"--filename={manifest}")
    namespace.kubectl("wait", "--for=condition=Complete", "--timeout=180s", "sheep/run")
    namespace.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "sheep/run")
    namespace.until(lambda: namespace.phase() == "Succeeded")


def test_wait_for_ready_does_not_end_before_the_run(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    waited = namespace.kubectl(
        "wait", "--for=condition=Ready", "--timeout=1s", "sheep/run", check=False
    )
    assert waited.returncode != 0
    assert "timed out" in waited.stderr
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")


def test_the_columns_follow_the_run(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    namespace.until(lambda: namespace.status().get("stage", {}).get("id") == "i1/train")
    header, row = namespace.kubectl("get", "sheep").stdout.splitlines()
    assert header.split() == ["NAME", "PHASE", "REASON", "PROGRESS", "KEPT", "BEST", "AGE"]
    assert row.split()[:5] == ["run", "Running", "Running", "1/1", "train"]
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")
    row = namespace.kubectl("get", "sheep", "--no-headers").stdout.split()
    assert row[:3] == ["run", "Succeeded", "Succeeded"]
    assert row[-3:-1] == ["3", "1"]


def test_describe_shows_the_failure(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Exit(70, message="a bug in train"))
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Failed")
    namespace.until(
        lambda: any("a bug in train" in message for _, _, message in namespace.events())
    )
    described = namespace.kubectl("describe", "sheep", "run").stdout
    _, _, events = described.partition("Events:")
    assert "a bug in train" in events
    assert "isheep-operator" in events


def test_a_failed_run_is_retried_after_kubectl_annotate(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Exit(70))
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Failed")
    namespace.workers.let_work("train")
    namespace.kubectl("annotate", "sheep", "run", "isheep.dev/retry=now")
    namespace.until_phase("Succeeded")


def test_delete_does_not_wait_for_a_finalizer_of_the_operator(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    assert "finalizers" not in namespace.run()["metadata"]
    namespace.kubectl("delete", "sheep", "run", "--timeout=60s")


@pytest.mark.parametrize("name", ["a" * 41, "a" * 63, "with.dot", "9-lives"])
def test_the_api_server_rejects_names_that_are_no_labels(
    namespace: NamespaceFixture, name: str
) -> None:
    answer = namespace.api.request("POST", namespace.runs_path(), Run(name).document())
    assert answer.status == 422
    assert "metadata.name" in answer.message


def test_a_run_with_the_longest_name_succeeds(namespace: NamespaceFixture) -> None:
    name = "a" * 40
    namespace.create(FROM_TRAIN.named(name))
    namespace.until_phase("Succeeded", name)
    assert all(len(job["metadata"]["name"]) <= 63 for job in namespace.jobs_created(name))
