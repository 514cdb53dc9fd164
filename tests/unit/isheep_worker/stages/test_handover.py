"""M(t) as an adapter: no merge stage, and one load of the base in each iteration."""

from __future__ import annotations

import json
import shutil

import pytest

from isheep.contract.order import StageOrder, StageResult
from isheep_worker.process.worker import Worker
from isheep_worker.rows.schema import PAIRS
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag


@pytest.fixture
def worker() -> Worker:
    return Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())


def test_the_next_iteration_loads_the_base_and_its_adapter(copied_run, make_driver, worker) -> None:
    orders: list[StageOrder] = []

    def run_order(order: StageOrder) -> StageResult:
        orders.append(order)
        return worker.run(order)

    driver = make_driver(
        copied_run.folder,
        run_order,
        iterations=2,
        training__handover="Adapter",
        training__learningRate=0.05,
        assessment__assessor="Base",
    )
    driver.run()
    assert not [stage for stage in driver.statistics if "merge" in stage]
    # The handover changes no key of iteration 1.
    assert driver.results["i1/respond"].steps[0].adopted
    respond = next(order.steps[0] for order in orders if order.steps[0].id == "i2/respond")
    assert respond.inputs["model"] == (driver.key("i1/train"),)

    loads = {s: int(f["modelLoads"]) for s, f in driver.statistics.items() if "modelLoads" in f}
    of_second = [stage for stage in loads if stage.startswith("i2/") and loads[stage]]
    # The assessor is the base itself, which is loaded already.
    assert of_second == ["i2/generate/r1", "i2/train"]
    assert "i2/assess" in loads

    def first_response(stage: str) -> str:
        return PAIRS.decode(next(iter(driver.artifacts.read_lines(driver.key(stage))))).response

    assert first_response("i2/respond") != first_response("i1/respond")
    report = json.loads((driver.folder / "default/runs/demo/report.json").read_text())
    assert report["small_model"]
    worker.close()


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
