"""`isheep wait` with a real API server and operator."""

from __future__ import annotations

import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from .harness.command import isheep, started
from .harness.namespace_fixture import NamespaceFixture
from .harness.network import network_of
from .harness.pod_behaviour import Exit, Hold
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")


def test_the_end_of_a_run_is_awaited(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    over = isheep(namespace, "wait", "run", "-n", namespace.name, "--timeout", "1s")
    assert over.returncode == 124
    assert "has not ended within the time limit" in over.stderr
    interrupted = started(namespace, "wait", "run", "-n", namespace.name)
    with ThreadPoolExecutor() as pool:
        # The limit ends the command if the test fails before the run ends.
        words = ("wait", "run", "-n", namespace.name, "--timeout", "10m")
        waiting = pool.submit(isheep, namespace, *words)
        namespace.edit(suspend=True)
        namespace.until_phase("Suspended")
        said = interrupted.stderr
        assert said is not None
        assert said.readline().startswith("run: Suspended")
        interrupted.send_signal(signal.SIGINT)
        assert said.read() == "run: the wait has stopped; the run goes on\n"
        assert interrupted.wait() == 143
        namespace.workers.let_work("train")
        namespace.edit(suspend=False)
        done = waiting.result()
    assert (done.returncode, done.stdout[:14]) == (0, "run: Succeeded")


def test_a_failure_is_awaited_and_a_retry_is_not_taken_for_it(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Exit(64))
    namespace.create(FROM_TRAIN)
    failed = isheep(namespace, "wait", "run", "-n", namespace.name)
    assert failed.returncode == 64
    assert failed.stdout.startswith("run: Failed")
    awaited = isheep(namespace, "wait", "run", "-n", namespace.name, "--for", "Failed")
    assert awaited.returncode == 0
    namespace.workers.let_work("train")
    assert isheep(namespace, "retry", "run", "-n", namespace.name).returncode == 0
    assert isheep(namespace, "wait", "run", "-n", namespace.name).returncode == 0


def test_a_deletion_ends_the_wait(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    namespace.edit(suspend=True)
    namespace.until_phase("Suspended")
    waiting: subprocess.Popen[str] = started(namespace, "wait", "run", "-n", namespace.name)
    assert waiting.stderr is not None
    assert waiting.stderr.readline().startswith("run: Suspended")
    namespace.delete()
    deleted = f"isheep: run run in namespace {namespace.name} was deleted\n"
    assert waiting.stderr.read() == deleted
    assert waiting.wait() == 1


def test_an_outage_of_the_api_server_does_not_end_the_wait(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    namespace.edit(suspend=True)
    namespace.until_phase("Suspended")
    with network_of(namespace.cluster) as network, TemporaryDirectory() as folder:
        config = str(network.kubeconfig(Path(folder)))
        waiting = started(namespace, "wait", "run", "-n", namespace.name, KUBECONFIG=config)
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("run: Suspended")
        network.down()
        assert "does not answer" in waiting.stderr.readline()
        namespace.workers.let_work("train")
        namespace.edit(suspend=False)
        namespace.until_phase("Succeeded")
        network.up()
        printed, _ = waiting.communicate()
    assert (waiting.returncode, printed[:14]) == (0, "run: Succeeded")
