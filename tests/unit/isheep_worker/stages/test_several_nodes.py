"""Training on two nodes: two workers, each with its own training process, connected by gloo.

The processes are real: torchrun starts them, and FSDP2 shards the base model over them. Without
dropout they train the same adapter as a single process, even if one of them was killed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from isheep.contract.order import Outcome, Runtime, StageOrder
from isheep.store.checkpoints import CheckpointStore
from isheep_worker.runtime.orders import RENDEZVOUS_VARIABLE
from isheep_worker.training.checkpoints import PROVENANCE

NODES = 2
KEYS = {"one": "1" * 64, "two": "2" * 64}
INTERRUPTED = str(Path(__file__).with_name("interrupted_training_process.py"))


def training(copied_run: Any, nodes: int, key: str, **changes: Any) -> StageOrder:
    """Return an order for the training of a finished run, without dropout and under another key.

    Neither the effective batch nor the last step divides evenly over two nodes. A micro-batch has
    up to 128 tokens, so the nodes need different numbers of them. Each step writes a checkpoint.
    """
    order = copied_run.step("i1/train")
    (step,) = order.steps
    settings = dict(step.settings)
    settings["lora"] = {**settings["lora"], "dropout": 0}
    settings["effectiveBatchSize"] = 5
    settings |= changes
    step = step.model_copy(update={"key": key, "settings": settings})
    runtime = Runtime(num_nodes=nodes, checkpoint_seconds=0.0, memory_reduction=4)
    return order.model_copy(update={"steps": (step,), "runtime": runtime})


@pytest.fixture
def jobs_of_both_nodes(reserve_port: Callable[[], int]) -> Callable[..., list[dict[str, Any]]]:
    """Returns a function that makes the jobs of both nodes for one attempt of an order."""

    def make(order: StageOrder, *interruption: str) -> list[dict[str, Any]]:
        rendezvous = f"localhost:{reserve_port()}"
        environment = {RENDEZVOUS_VARIABLE: rendezvous, "CUDA_VISIBLE_DEVICES": ""}
        job: dict[str, Any] = {"order": order, "environment": environment}
        if interruption:
            job["training_process"] = [INTERRUPTED, *interruption]
        return [job | {"shard": [index, NODES]} for index in range(NODES)]

    return make


@pytest.mark.parametrize("stops", [False, pytest.param(True, marks=pytest.mark.long)])
def test_the_adapter_after_interruptions_equals_that_of_a_single_process(
    stops: bool, copied_run: Any, fork_server: Any, jobs_of_both_nodes: Any, tmp_path: Path
) -> None:
    """The tolerance is 1e-5, because the processes add floats in another order.

    Each attempt imports torch in two processes, so only `make test-long` also stops the nodes.
    """
    alone = fork_server.run_order(training(copied_run, 1, KEYS["one"]))
    assert alone.outcome is Outcome.COMMITTED
    order = training(copied_run, NODES, KEYS["two"])
    checkpoints = CheckpointStore(copied_run.artifacts.store, "default", attempt=1)

    jobs = jobs_of_both_nodes(order, "kill", "1", "3")
    (first, lost), (second, killed) = fork_server.run(*jobs)
    # The node of the killed process reports the kill. The other node reports the loss of its peer.
    assert (second, killed.reason) == (137, "Killed")
    assert (first, lost.reason) == (69, "PeerUnreachable")
    assert copied_run.artifacts.manifest(KEYS["two"]) is None
    # The first process may store the checkpoint of the last step before it loses its peer.
    assert checkpoints.steps(KEYS["two"])[0] in (2, 3)

    if stops:
        stop_both_nodes(order, jobs_of_both_nodes, fork_server, at=5)
        assert checkpoints.steps(KEYS["two"])[0] == 6
    step = checkpoints.steps(KEYS["two"])[0]
    checkpoints.restore(KEYS["two"], step, tmp_path / "checkpoint")
    assert '"worldSize": 2' in (tmp_path / "checkpoint" / PROVENANCE).read_text()

    ends = fork_server.run(*jobs_of_both_nodes(order))
    assert [(code, result.outcome) for code, result in ends] == [
        (0, Outcome.COMMITTED),
        (0, Outcome.PARTIAL),
    ]
    statistics = ends[0][1].steps[0].statistics
    expected = alone.steps[0].statistics
    assert statistics["resumedFromStep"] == step
    assert (statistics["processes"], expected["processes"]) == (NODES, 1)
    assert statistics["steps"] == expected["steps"] > 6
    assert statistics["adapterStep"] == expected["adapterStep"]
    assert (statistics["tokensAtOnce"], statistics["recomputesActivations"]) == (128, 0)
    assert statistics["trainLoss"] == pytest.approx(expected["trainLoss"], abs=1e-5)
    assert statistics["evalLoss"] == pytest.approx(expected["evalLoss"], abs=1e-5)
    folder = copied_run.folder / "default/stages"
    assert distance(*(folder / KEYS[name] for name in ("one", "two"))) < 1e-5
    names = {info.name for info in copied_run.artifacts.manifest(KEYS["two"]).files}
    assert names == {info.name for info in copied_run.artifacts.manifest(KEYS["one"]).files}
    assert checkpoints.steps(KEYS["two"]) == []


def stop_both_nodes(order: StageOrder, jobs_of_both_nodes: Any, fork_server: Any, at: int) -> None:
    """Run until one node gets a stop after a step, and check that both stop after the next one."""
    # The training waits after the step, because it could end before the second node sees the step.
    jobs = jobs_of_both_nodes(order, "await_stop", "1", str(at))
    jobs[1]["stop_at"] = at
    ends = fork_server.run(*jobs)
    assert [(code, result.reason) for code, result in ends] == [(143, "Stopped")] * NODES
    (message,) = {result.message for _, result in ends}
    assert f"after step {at + 1} of" in message


def distance(*stages: Path) -> float:
    """Return the largest difference between the adapters of two stages; both are far from 0."""
    one, two = (load_file(next(s.rglob("adapter_model.safetensors"))) for s in stages)
    assert sorted(one) == sorted(two)
    assert max(float(tensor.abs().max()) for tensor in one.values()) > 1e-3
    return max(float((one[n] - two[n]).abs().max()) for n in one)


@pytest.mark.long
def test_two_nodes_commit_the_adapter_with_the_lowest_loss(
    copied_run: Any, fork_server: Any, jobs_of_both_nodes: Any
) -> None:
    """After a stop and a resumption, both nodes have the same best adapter.

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
    stop_both_nodes(order, jobs_of_both_nodes, fork_server, at=4)
    checkpoints = CheckpointStore(copied_run.artifacts.store, "default", attempt=1)
    stopped = checkpoints.steps(KEYS["two"])[0]
    assert stopped == 5
    assert [code for code, _ in fork_server.run(*jobs_of_both_nodes(order))] == [0] * NODES
    manifests = [copied_run.artifacts.manifest(KEYS[name]) for name in ("one", "two")]
    expected, found = (manifest.statistics for manifest in manifests)
    assert found["adapterStep"] == expected["adapterStep"] < found["resumedFromStep"]
    assert found["resumedFromStep"] == stopped < found["steps"]
    assert found["evalLoss"] == pytest.approx(expected["evalLoss"], abs=1e-5)
    folder = copied_run.folder / "default/stages"
    # A step changes a weight by the learning rate. If a gradient is near zero, Adam enlarges the
    # rounding differences to the size of a step, so the distance depends on the processor.
    assert distance(*(folder / KEYS[name] for name in ("one", "two"))) < 1e-3 * rate
