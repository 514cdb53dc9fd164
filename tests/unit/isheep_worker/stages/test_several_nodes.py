"""Training on two nodes: two workers, each with its own training process, connected by gloo.

The processes are real: torchrun starts them, and FSDP2 shards the base model over them. Without
dropout they train the same adapter as a single process, even if one of them was killed.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.torch import load_file

from isheep.contract.order import Outcome, Runtime, StageOrder
from isheep.store.checkpoints import CheckpointStore
from isheep_worker.runtime.orders import RENDEZVOUS_VARIABLE
from isheep_worker.training.checkpoints import PROVENANCE

NODES = 2
KEYS = {"one": "1" * 64, "two": "2" * 64}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


def training(copied_run: Any, nodes: int, key: str, **changes: Any) -> StageOrder:
    """Return an order for the training of a finished run, without dropout and under another key.

    Neither the effective batch nor the last step divides evenly over two nodes. Each step writes a
    checkpoint.
    """
    order = copied_run.step("i1/train")
    (step,) = order.steps
    settings = dict(step.settings)
    settings["lora"] = {**settings["lora"], "dropout": 0}
    settings["effectiveBatchSize"] = 5
    settings |= changes
    step = step.model_copy(update={"key": key, "settings": settings})
    runtime = Runtime(num_nodes=nodes, checkpoint_seconds=0.0)
    return order.model_copy(update={"steps": (step,), "runtime": runtime})


def jobs_of_both_nodes(order: StageOrder, **job: Any) -> list[dict[str, Any]]:
    environment = {RENDEZVOUS_VARIABLE: f"localhost:{free_port()}", "CUDA_VISIBLE_DEVICES": ""}
    return [
        {"order": order, "shard": [index, NODES], "environment": environment, **job}
        for index in range(NODES)
    ]


def after_first_checkpoint(
    checkpoints: CheckpointStore, key: str, act: Callable[[], None]
) -> threading.Thread:
    """Call `act` in a thread when the first checkpoint is stored, during the training."""

    def watch() -> None:
        until = time.monotonic() + 300
        while not checkpoints.steps(key) and time.monotonic() < until:
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def kill_rank(rank: int) -> None:
    """Kill a training process with SIGKILL, as the kernel does."""
    for process in psutil.Process().children(recursive=True):
        trains = "isheep_worker.training.training_process" in process.cmdline()
        if trains and process.environ()["RANK"] == str(rank):
            process.kill()
            return
    raise AssertionError(f"no process has the rank {rank}")


def test_the_adapter_after_a_kill_equals_that_of_a_single_process(
    copied_run: Any, fork_server: Any
) -> None:
    """The tolerance is 1e-5, because the processes add floats in another order."""
    alone = fork_server.run_order(training(copied_run, 1, KEYS["one"]))
    assert alone.outcome is Outcome.COMMITTED
    order = training(copied_run, NODES, KEYS["two"])
    checkpoints = CheckpointStore(copied_run.artifacts.store, "default")

    killer = after_first_checkpoint(checkpoints, KEYS["two"], lambda: kill_rank(1))
    (first, lost), (second, killed) = fork_server.run(*jobs_of_both_nodes(order))
    killer.join()
    # The node of the killed process reports the kill. The other node reports the loss of its peer.
    assert (second, killed.reason) == (137, "Killed")
    assert (first, lost.reason) == (69, "PeerUnreachable")
    assert copied_run.artifacts.manifest(KEYS["two"]) is None

    stored = checkpoints.steps(KEYS["two"])[0]
    ends = fork_server.run(*jobs_of_both_nodes(order))
    assert [(code, result.outcome) for code, result in ends] == [
        (0, Outcome.COMMITTED),
        (0, Outcome.PARTIAL),
    ]
    statistics = ends[0][1].steps[0].statistics
    expected = alone.steps[0].statistics
    assert statistics["resumedFromStep"] == stored >= 1
    assert (statistics["processes"], expected["processes"]) == (NODES, 1)
    assert statistics["steps"] == expected["steps"]
    assert statistics["trainLoss"] == pytest.approx(expected["trainLoss"], abs=1e-5)
    assert statistics["evalLoss"] == pytest.approx(expected["evalLoss"], abs=1e-5)
    folder = copied_run.folder / "default/stages"
    assert _distance(*(folder / KEYS[name] for name in ("one", "two"))) < 1e-5
    names = {info.name for info in copied_run.artifacts.manifest(KEYS["two"]).files}
    assert names == {info.name for info in copied_run.artifacts.manifest(KEYS["one"]).files}
    assert checkpoints.steps(KEYS["two"]) == []


def _distance(*stages: Path) -> float:
    """Return the largest difference between the adapters of two stages; both are far from 0."""
    one, two = (load_file(next(s.rglob("adapter_model.safetensors"))) for s in stages)
    assert sorted(one) == sorted(two)
    assert max(float(tensor.abs().max()) for tensor in one.values()) > 1e-3
    return max(float((one[n] - two[n]).abs().max()) for n in one)


def test_two_nodes_stop_at_the_same_step_and_commit_the_adapter_with_the_lowest_loss(
    copied_run: Any, fork_server: Any, tmp_path: Path
) -> None:
    """Only one node gets the stop. After the resumption both have the same best adapter.

    The learning rate is so high that the model breaks, so the best adapter is an early one.
    """
    rate = 100.0
    breaking = {
        "maxSamples": 20,
        "validationShare": 0.3,
        "numTrainEpochs": 4,
        "learningRate": rate,
        "evaluationSteps": 1,
    }
    fork_server.run_order(training(copied_run, 1, KEYS["one"], **breaking))
    order = training(copied_run, NODES, KEYS["two"], **breaking)
    jobs = jobs_of_both_nodes(order)
    jobs[1]["stop_at"] = 4
    ends = fork_server.run(*jobs)
    assert [(code, result.reason) for code, result in ends] == [(143, "Stopped")] * NODES
    (message,) = {result.message for _, result in ends}
    checkpoints = CheckpointStore(copied_run.artifacts.store, "default")
    stopped = checkpoints.steps(KEYS["two"])[0]
    assert f"after step {stopped} of" in message
    checkpoints.restore(KEYS["two"], stopped, tmp_path / "checkpoint")
    assert '"worldSize": 2' in (tmp_path / "checkpoint" / PROVENANCE).read_text()
    assert [code for code, _ in fork_server.run(*jobs_of_both_nodes(order))] == [0] * NODES
    manifests = [copied_run.artifacts.manifest(KEYS[name]) for name in ("one", "two")]
    expected, found = (manifest.statistics for manifest in manifests)
    assert found["adapterStep"] == expected["adapterStep"] < found["resumedFromStep"]
    assert found["resumedFromStep"] == stopped < found["steps"]
    assert found["evalLoss"] == pytest.approx(expected["evalLoss"], abs=1e-5)
    folder = copied_run.folder / "default/stages"
    # A step changes a weight by the learning rate. If a gradient is near zero, Adam enlarges the
    # rounding differences to the size of a step, so the distance depends on the processor.
    assert _distance(*(folder / KEYS[name] for name in ("one", "two"))) < 1e-3 * rate
