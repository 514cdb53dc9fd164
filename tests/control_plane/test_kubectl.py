"""What people see and do with the real kubectl."""

from __future__ import annotations

import json

import pytest

from .harness.behaviour import Exit, Held
from .harness.runs import Run
from .harness.scene import Scene

LAST = Run().skip_to("i1/train")
"""prepare, train, merge, report."""


def test_wait_ends_when_the_run_is_complete(scene: Scene) -> None:
    scene.workshop.prefill(LAST.fields, "i1/train")
    manifest = scene.operator.folder / f"{scene.namespace}.json"
    manifest.write_text(json.dumps(LAST.document()))
    scene.kubectl("apply", f"--filename={manifest}")
    scene.kubectl("wait", "--for=condition=Complete", "--timeout=60s", "sheep/run")
    scene.kubectl("wait", "--for=condition=Ready", "--timeout=5s", "sheep/run")
    scene.until(lambda: scene.phase() == "Succeeded")


def test_wait_for_ready_does_not_end_before_the_run(scene: Scene) -> None:
    scene.workshop.tell("train", Held())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    waited = scene.kubectl(
        "wait", "--for=condition=Ready", "--timeout=1s", "sheep/run", check=False
    )
    assert waited.returncode != 0
    assert "timed out" in waited.stderr
    scene.workshop.mend("train")
    scene.until_phase("Succeeded")


def test_the_columns_follow_the_run(scene: Scene) -> None:
    scene.workshop.tell("train", Held())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    scene.until(lambda: scene.status().get("stage", {}).get("id") == "i1/train")
    header, row = scene.kubectl("get", "sheep").stdout.splitlines()
    assert header.split() == ["NAME", "PHASE", "ITERATION", "STAGE", "KEPT", "AGE"]
    assert row.split()[:4] == ["run", "Running", "1", "i1/train"]
    scene.workshop.mend("train")
    scene.until_phase("Succeeded")
    row = scene.kubectl("get", "sheep", "--no-headers").stdout.split()
    assert row[:4] == ["run", "Succeeded", "1", "3"]


def test_describe_tells_what_happened(scene: Scene) -> None:
    scene.workshop.tell("train", Exit(70, message="a bug in train"))
    scene.create(LAST)
    scene.until_phase("Failed")
    scene.until(lambda: any(kind == "Warning" for kind, _, _ in scene.events()))
    described = scene.kubectl("describe", "sheep", "run").stdout
    _, _, events = described.partition("Events:")
    assert "a bug in train" in events
    assert "isheep-operator" in events


def test_an_annotation_by_kubectl_retries(scene: Scene) -> None:
    scene.workshop.tell("train", Exit(70))
    scene.create(LAST)
    scene.until_phase("Failed")
    scene.workshop.mend("train")
    scene.kubectl("annotate", "sheep", "run", "isheep.dev/retry=now")
    scene.until_phase("Succeeded")


def test_delete_waits_for_nothing_of_ours(scene: Scene) -> None:
    scene.create(LAST)
    scene.until_phase("Succeeded")
    assert "finalizers" not in scene.run()["metadata"]
    scene.kubectl("delete", "sheep", "run", "--timeout=10s")


@pytest.mark.parametrize("name", ["a" * 41, "a" * 63, "with.dot", "9-lives"])
def test_names_that_cannot_become_labels_are_refused_with_a_message(
    scene: Scene, name: str
) -> None:
    refused = scene.api.request("POST", scene.runs_path(), Run(name).document())
    assert refused.status == 422
    assert "metadata.name" in refused.message


def test_the_longest_name_works(scene: Scene) -> None:
    name = "a" * 40
    scene.create(LAST.named(name))
    scene.until_phase("Succeeded", name)
    assert all(len(job["metadata"]["name"]) <= 63 for job in scene.jobs_made(name))
