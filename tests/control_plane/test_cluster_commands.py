"""The commands of docs/how-to/work-with-a-cluster.md, with a real API server and operator."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from .harness.command import isheep
from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import Exit, Hold
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
PAGE = Path(__file__).parents[2] / "docs/how-to/work-with-a-cluster.md"


def printed(namespace: NamespaceFixture, verb: str) -> subprocess.CompletedProcess[str]:
    """Run the command of the page with this run and this namespace."""
    found = re.search(
        rf"^isheep ({verb}) quickstart -n team-a( --yes)?$", PAGE.read_text(), re.MULTILINE
    )
    assert found, f"{PAGE} has no command {verb}"
    return isheep(namespace, found[1], "run", "-n", namespace.name, *(found[2] or "").split())


def test_a_run_is_suspended_and_resumed(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    done = printed(namespace, "suspend")
    assert (done.returncode, done.stdout) == (0, f"run in namespace {namespace.name}: suspended\n")
    namespace.until_phase("Suspended")
    namespace.workers.let_work("train")
    assert printed(namespace, "resume").returncode == 0
    namespace.until_phase("Succeeded")


def test_a_failed_run_is_retried(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Exit(70))
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Failed")
    namespace.workers.let_work("train")
    assert printed(namespace, "retry").returncode == 0
    namespace.until_phase("Succeeded")


def test_a_run_that_does_not_exist_is_bad_input(namespace: NamespaceFixture) -> None:
    done = isheep(namespace, "suspend", "none", "-n", namespace.name)
    assert done.returncode == 64
    assert done.stderr.startswith(f"isheep: run none in namespace {namespace.name}: not found")
    assert len(done.stderr.splitlines()) == 1


def test_a_run_is_deleted_only_with_consent(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    refused = isheep(namespace, "delete", "run", "-n", namespace.name)
    assert refused.returncode == 64
    assert "add --yes" in refused.stderr
    assert namespace.api.request("GET", namespace.runs_path("run")).status == 200
    done = printed(namespace, "delete")
    assert (done.returncode, done.stdout) == (0, f"run in namespace {namespace.name}: deleted\n")
    assert namespace.api.request("GET", namespace.runs_path("run")).status == 404
