"""Training on two nodes: two workers, each with a process of its own, meet by gloo.

The processes are real, started by torchrun, and share the base by FSDP2. Without dropout
they end in the adapter that one process ends in, also where one of them was killed.
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


def training(copied: Any, nodes: int, key: str, **changes: Any) -> StageOrder:
    """The training of a finished run without dropout, as if nobody had done it yet.

    Its effective batch does not come out even on two nodes, nor does its last step; a
    checkpoint is due at every step.
    """
    order = copied.step("i1/train")
    (step,) = order.steps
    settings = dict(step.settings)
    settings["lora"] = {**settings["lora"], "dropout": 0}
    settings["effectiveBatchSize"] = 5
    settings |= changes
    step = step.model_copy(update={"key": key, "settings": settings})
    runtime = Runtime(num_nodes=nodes, checkpoint_seconds=0.0)
    return order.model_copy(update={"steps": (step,), "runtime": runtime})


def on_both(order: StageOrder, **job: Any) -> list[dict[str, Any]]:
    meet = {RENDEZVOUS_VARIABLE: f"localhost:{free_port()}", "CUDA_VISIBLE_DEVICES": ""}
    return [
        {"order": order, "shard": [index, NODES], "environment": meet, **job}
        for index in range(NODES)
    ]


def once_saved(checkpoints: CheckpointStore, key: str, act: Callable[[], None]) -> threading.Thread:
    """Do something when the first checkpoint is stored, while the training goes on."""

    def watch() -> None:
        until = time.monotonic() + 300
        while not checkpoints.steps(key) and time.monotonic() < until:
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def kill_rank(rank: int) -> None:
    """Kill a training process as the kernel does."""
    for process in psutil.Process().children(recursive=True):
        trains = "isheep_worker.training.process" in process.cmdline()
        if trains and process.environ()["RANK"] == str(rank):
            process.kill()
            return
    raise AssertionError(f"no process has the rank {rank}")


def test_one_of_two_processes_is_killed_and_the_adapter_is_that_of_one_process(
    copied: Any, forker: Any
) -> None:
    """Within 1e-5, the tolerance for floats that are added in another order."""
    alone = forker.carry_out(training(copied, 1, KEYS["one"]))
    assert alone.outcome is Outcome.COMMITTED
    order = training(copied, NODES, KEYS["two"])
    checkpoints = CheckpointStore(copied.artifacts.store, "default")

    killer = once_saved(checkpoints, KEYS["two"], lambda: kill_rank(1))
    (first, lost), (second, killed) = forker.run(*on_both(order))
    killer.join()
    # The node of the killed process says so; the other one has only lost its peer.
    assert (second, killed.reason) == (137, "Killed")
    assert (first, lost.reason) == (69, "PeerUnreachable")
    assert copied.artifacts.manifest(KEYS["two"]) is None

    stored = checkpoints.steps(KEYS["two"])[0]
    ends = forker.run(*on_both(order))
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
    folder = copied.folder / "default/stages"
    assert _distance(*(folder / KEYS[name] for name in ("one", "two"))) < 1e-5
    names = {info.name for info in copied.artifacts.manifest(KEYS["two"]).files}
    assert names == {info.name for info in copied.artifacts.manifest(KEYS["one"]).files}
    assert checkpoints.steps(KEYS["two"]) == []


def _distance(*stages: Path) -> float:
    """Return how far the adapters of two stages are apart at most; neither is near 0."""
    one, two = (load_file(next(s.rglob("adapter_model.safetensors"))) for s in stages)
    assert sorted(one) == sorted(two)
    assert max(float(tensor.abs().max()) for tensor in one.values()) > 1e-3
    return max(float((one[n] - two[n]).abs().max()) for n in one)


def test_two_nodes_stop_at_one_step_and_leave_the_adapter_from_before_the_model_broke(
    copied: Any, forker: Any, tmp_path: Path
) -> None:
    """Only one of them is told to stop; afterwards each has to know which adapter it was."""
    rate = 100.0
    breaking = {
        "maxSamples": 20,
        "validationShare": 0.3,
        "numTrainEpochs": 4,
        "learningRate": rate,
        "evaluationSteps": 1,
    }
    forker.carry_out(training(copied, 1, KEYS["one"], **breaking))
    order = training(copied, NODES, KEYS["two"], **breaking)
    jobs = on_both(order)
    jobs[1]["stop_at"] = 4
    ends = forker.run(*jobs)
    assert [(code, result.reason) for code, result in ends] == [(143, "Stopped")] * NODES
    (message,) = {result.message for _, result in ends}
    checkpoints = CheckpointStore(copied.artifacts.store, "default")
    stopped = checkpoints.steps(KEYS["two"])[0]
    assert f"after step {stopped} of" in message
    checkpoints.restore(KEYS["two"], stopped, tmp_path / "checkpoint")
    assert '"worldSize": 2' in (tmp_path / "checkpoint" / PROVENANCE).read_text()
    assert [code for code, _ in forker.run(*on_both(order))] == [0] * NODES
    manifests = [copied.artifacts.manifest(KEYS[name]) for name in ("one", "two")]
    expected, found = (manifest.statistics for manifest in manifests)
    assert found["adapterStep"] == expected["adapterStep"] < found["resumedFromStep"]
    assert found["resumedFromStep"] == stopped < found["steps"]
    assert found["evalLoss"] == pytest.approx(expected["evalLoss"], abs=1e-5)
    folder = copied.folder / "default/stages"
    # A step moves a weight by the rate. Where a gradient is near zero, Adam makes the noise of
    # two sums as large as a step, so how near they come depends on the processor.
    assert _distance(*(folder / KEYS[name] for name in ("one", "two"))) < 1e-3 * rate
