"""M(t) as an adapter: no merge stage, and one load of the base in each iteration or in the run."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from isheep.contract.order import Runtime, StageOrder, StageResult
from isheep_worker.execution.engine_provider import EngineProvider
from isheep_worker.process.worker import Worker
from isheep_worker.rows.schema import PAIRS
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

CHANGES = {
    "iterations": 2,
    "training__handover": "Adapter",
    "training__learningRate": 0.05,
    "assessment__assessor": "Base",
}


def new_worker() -> Worker:
    return Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())


@pytest.fixture
def worker() -> Worker:
    return new_worker()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The number of threads of the finished run, with which trainings have equal bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def loading_stages(driver) -> list[str]:
    """Return the stages that loaded a model."""
    return [stage for stage, found in driver.statistics.items() if found.get("modelLoads")]


@pytest.mark.usefixtures("one_thread")
def test_the_next_iteration_loads_the_base_and_its_adapter(
    copied_run, finished_run, make_driver, worker, tmp_path, caplog
) -> None:
    orders: list[StageOrder] = []

    def run_order(order: StageOrder) -> StageResult:
        orders.append(order)
        return worker.run(order)

    driver = make_driver(copied_run.folder, run_order, **CHANGES)
    driver.run()
    assert not [stage for stage in driver.statistics if "merge" in stage]
    # The handover changes no key of iteration 1.
    assert driver.results["i1/respond"].steps[0].adopted
    respond = next(order.steps[0] for order in orders if order.steps[0].id == "i2/respond")
    assert respond.inputs["model"] == (driver.key("i1/train"),)

    of_second = [stage for stage in loading_stages(driver) if stage.startswith("i2/")]
    # The assessor is the base itself, which is loaded already.
    assert of_second == ["i2/generate/r1", "i2/train"]
    assert driver.statistics["i2/assess"]["modelLoads"] == 0

    def first_response(stage: str) -> str:
        return PAIRS.decode(next(iter(driver.artifacts.read_lines(driver.key(stage))))).response

    assert first_response("i2/respond") != first_response("i1/respond")
    report = json.loads((driver.folder / "default/runs/demo/report.json").read_text())
    assert report["small_model"]
    worker.close()
    folder = Path(shutil.copytree(finished_run.folder, tmp_path / "whole", symlinks=True))
    shutil.rmtree(folder / "default/stages" / finished_run.key("i1/respond"))
    one_engine_for_both_iterations(driver, make_driver, folder, caplog)


def one_engine_for_both_iterations(driver, make_driver, folder, caplog) -> None:
    """A run with one engine start has the keys and the bytes of the run with a start each time."""
    engine, trainer = new_worker(), new_worker()

    def run_order(order: StageOrder) -> StageResult:
        order = order.model_copy(update={"runtime": Runtime(adapter_rank=8)})
        if order.steps[0].kind != "train":
            return engine.run(order)
        with caplog.at_level(logging.INFO):
            assert engine.make_room(order)
        assert "engine stays during the training" in caplog.text
        return trainer.run(order)

    whole = make_driver(folder, run_order, **CHANGES)
    # The engine serves M(0) for the responses of iteration 1, and M(1) after the training.
    whole.run(until="i2/assess")
    made = [stage for stage, result in whole.results.items() if not result.steps[0].adopted]
    assert {"i1/respond", "i2/generate/r1", "i2/respond"} < set(made)
    assert [s for s in loading_stages(whole) if s in made] == ["i1/respond", "i1/train"]
    assert whole.content().items() <= driver.content().items()
    engine.close()


def test_an_engine_ends_if_the_memory_does_not_hold_the_training_too(
    finished_run, worker, monkeypatch, caplog
) -> None:
    training, other = finished_run.step("i1/train"), finished_run.step("i1/respond")
    monkeypatch.setattr(EngineProvider, "sleep", lambda _self: True)
    assert worker.make_room(training)
    # An order that is no training ends the engine too.
    assert not worker.make_room(other)
    monkeypatch.setattr("isheep_worker.process.worker.free_memory", lambda: 2 * 1024**3)
    with caplog.at_level(logging.INFO):
        assert not worker.make_room(training)
    assert "engine ends: no memory" in caplog.text


def test_an_adapter_has_the_chat_template_and_stop_tokens_of_the_merged_model(
    finished_run, worker
) -> None:
    manifest = finished_run.artifacts.manifest(finished_run.key("i1/train"))
    folder = finished_run.folder / f"default/stages/{manifest.key}/files"
    assert {"adapter_config.json", "adapter_model.safetensors"} < {f.name for f in manifest.files}
    assert "<|im_start|>" in (folder / "chat_template.jinja").read_text()
    ids = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    merged = finished_run.artifacts.manifest(finished_run.key("i1/merge"))
    whole = finished_run.folder / f"default/stages/{merged.key}/files/generation_config.json"
    assert ids == json.loads(whole.read_text())["eos_token_id"]


def test_a_training_that_diverges_fails_and_commits_no_adapter(copied_run, worker) -> None:
    order = copied_run.step("i1/train")
    copied_run.uncommit("i1/train")
    (step,) = order.steps
    settings = step.settings | {"learningRate": 1e25, "warmupSteps": 0}
    result = worker.run(
        order.model_copy(update={"steps": (step.model_copy(update={"settings": settings}),)})
    )
    assert (result.exit_code, result.reason, result.steps) == (64, "TrainingDiverged", ())
    assert "lower training.learningRate" in result.message
    assert copied_run.artifacts.manifest(step.key) is None
    shutil.rmtree(copied_run.folder / "default/work", ignore_errors=True)
