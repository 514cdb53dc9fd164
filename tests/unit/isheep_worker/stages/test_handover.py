"""M(t) handed over as an adapter: one process, no merge, the base loaded once an iteration."""

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


def test_the_next_iteration_loads_the_base_with_the_adapter_beside_it(
    copied, make_chain, worker
) -> None:
    asked: list[StageOrder] = []

    def carry_out(order: StageOrder) -> StageResult:
        asked.append(order)
        return worker.carry_out(order)

    chain = make_chain(
        copied.folder,
        carry_out,
        iterations=2,
        training__handover="Adapter",
        training__learningRate=0.05,
        assessment__assessor="Base",
    )
    chain.run()
    assert not [stage for stage in chain.statistics if "merge" in stage]
    # What is handed over is no part of what iteration 1 was made of.
    assert chain.results["i1/respond"].steps[0].adopted
    respond = next(order.steps[0] for order in asked if order.steps[0].id == "i2/respond")
    assert respond.inputs["model"] == (chain.key("i1/train"),)

    loads = {s: int(f["modelLoads"]) for s, f in chain.statistics.items() if "modelLoads" in f}
    of_second = [stage for stage in loads if stage.startswith("i2/") and loads[stage]]
    # The assessor is the base itself, which is there already.
    assert of_second == ["i2/generate/r1", "i2/train"]
    assert "i2/assess" in loads

    def first_response(stage: str) -> str:
        return PAIRS.decode(next(iter(chain.artifacts.read_lines(chain.key(stage))))).response

    assert first_response("i2/respond") != first_response("i1/respond")
    report = json.loads((chain.folder / "default/runs/demo/report.json").read_text())
    assert report["small_model"]
    worker.close()


def test_an_adapter_goes_with_what_it_takes_to_serve_it(finished, worker) -> None:
    manifest = finished.artifacts.manifest(finished.key("i1/train"))
    folder = finished.folder / f"default/stages/{manifest.key}/files"
    assert {"adapter_config.json", "adapter_model.safetensors"} < {f.name for f in manifest.files}
    assert "<|im_start|>" in (folder / "chat_template.jinja").read_text()
    ids = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    merged = finished.artifacts.manifest(finished.key("i1/merge"))
    whole = finished.folder / f"default/stages/{merged.key}/files/generation_config.json"
    assert ids == json.loads(whole.read_text())["eos_token_id"]


def test_a_training_that_diverges_fails_the_stage_and_leaves_no_adapter(copied, worker) -> None:
    order = copied.step("i1/train")
    copied.uncommit("i1/train")
    (step,) = order.steps
    settings = step.settings | {"learningRate": 1e25, "warmupSteps": 0}
    result = worker.carry_out(
        order.model_copy(update={"steps": (step.model_copy(update={"settings": settings}),)})
    )
    assert (result.exit_code, result.reason, result.steps) == (64, "TrainingDiverged", ())
    assert "lower training.learningRate" in result.message
    assert copied.artifacts.manifest(step.key) is None
    shutil.rmtree(copied.folder / "default/work", ignore_errors=True)
