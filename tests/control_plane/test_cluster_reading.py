"""The commands that read a run on a cluster by its name, with a real API server and operator."""

from __future__ import annotations

import json

from .harness.command import isheep
from .harness.log_server import serve_logs
from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import Exit, Hold
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")


def test_a_status_is_watched_until_the_run_ends(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    now = isheep(namespace, "status", "run", "-n", namespace.name)
    assert now.returncode == 0, now.stderr
    assert now.stdout.startswith("run: Running, 1/1 train")
    namespace.workers.let_work("train")
    done = isheep(namespace, "status", "run", "-n", namespace.name, "-w", "-o", "json")
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert shown[-1]["phase"] == "Succeeded"
    assert shown[-1]["history"][0]["iteration"] == 1


def test_the_runs_of_a_namespace_and_of_all_namespaces_are_listed(
    namespace: NamespaceFixture,
) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    listed = isheep(namespace, "list", "-n", namespace.name)
    assert listed.stderr == f"namespace {namespace.name}:\n"
    head, line = listed.stdout.splitlines()
    assert head.split()[0] == "NAME"
    assert line.split()[:3] == ["run", "ISheep", "Succeeded"]
    everywhere = isheep(namespace, "list", "-A", "-o", "json")
    assert (namespace.name, "run", "Succeeded") in {
        (run["namespace"], run["name"], run["phase"]) for run in json.loads(everywhere.stdout)
    }


def test_the_logs_of_pods_are_printed_by_stage(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Exit(70))
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Failed")
    pods = [pod["metadata"]["name"] for pod in namespace.pods()]
    lines = [
        "before",
        "2025-01-01T00:00:00.000Z INFO isheep stage begins run=run stage=i1/train",
        "step 1 \x1b[31mred",
        "2025-01-01T00:00:00.000Z INFO isheep stage failed run=run stage=i1/train",
        "after",
    ]
    with serve_logs(namespace.cluster, {pods[0]: lines}):
        everything = isheep(namespace, "logs", "run", "-n", namespace.name)
        stage = isheep(namespace, "logs", "run", "i1/train", "-n", namespace.name, "--tail", "2")
        other = isheep(namespace, "logs", "run", "i1/merge", "-n", namespace.name)
    assert everything.stdout.splitlines()[:2] == [f"==> pod {pods[0]} <==", "before"]
    assert "\x1b" not in everything.stdout
    assert stage.stdout.splitlines()[1:] == ["step 1 ?[31mred", lines[3]]
    assert other.returncode == 64
    assert "no log of i1/merge in a pod that exists still" in other.stderr
