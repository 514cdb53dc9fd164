"""The cost of what is left: tokens from the settings, and time only from what was measured."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.gpu_usage import Prices
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import Pool
from isheep.planner.cost import MeasuredStage, cost, money
from isheep.planner.forecast import Forecast, forecast
from isheep.recipes.interface import Stage, Statistics
from isheep.recipes.prediction import best_result
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, STAGE_VERSIONS, StageKind

from .prepared_inputs import prepared_for, with_evaluation
from .simulation import spec_with

VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
KINDS = {
    *(StageKind.GENERATE, StageKind.CURATE, StageKind.RESPOND, StageKind.ASSESS),
    *(StageKind.SELECT, StageKind.TRAIN, StageKind.MERGE, StageKind.REPORT),
}
MEASURED = [MeasuredStage(kind, units=10, seconds=20, gpu_seconds=5, bytes=1000) for kind in KINDS]


def made(done: tuple[str, ...] = (), **changes: Any) -> Forecast:
    """Return the forecast of a run with one iteration, in which some stages exist."""
    spec = SelfAlignmentRunSpec.read(spec_with(**{"iterations": 1, **changes}))

    def lookup(stage: Stage, _key: str) -> Statistics | None:
        return best_result(stage, spec) if stage.id in done else None

    recipe = RECIPES[spec.recipe]
    prepared = with_evaluation(prepared_for(), spec)
    return forecast(recipe, spec, prepared, VERSIONS, lookup, prepare_committed=True)


def test_tokens_are_the_largest_number_that_the_settings_allow() -> None:
    found = made(
        instructions={"count": 40, "sampling": {"maxTokens": 100}},
        responses={"sampling": {"maxTokens": 20}},
        assessment={"levels": ["Quality", "Following"], "sampling": {"maxTokens": 17}},
    )
    assert cost(found.stages, ()).tokens == 5 * 100 + 40 * 20 + 40 * 17 * 2
    expected = made(
        instructions={"count": 40, "sampling": {"maxTokens": 100}},
        responses={"sampling": {"maxTokens": 20}},
        assessment={"scoring": "Expected"},
        yardstick={"items": 24, "maxTokens": 3},
    )
    assert cost(expected.stages, ()).tokens == 5 * 100 + 40 * 20 + 2 * 24 * 3
    controls = made(
        instructions={"count": 40, "sampling": {"maxTokens": 100}},
        responses={"sampling": {"maxTokens": 20}},
        assessment={"levels": ["Quality"], "sampling": {"maxTokens": 17}, "controls": 50},
    )
    assert cost(controls.stages, ()).tokens == 5 * 100 + 40 * 20 + 40 * 17 * (1 + 5)


def test_a_judge_answers_twice_for_each_question_and_format_of_m0() -> None:
    judgement = {"name": "wins", "storageUri": "s3://bucket/q.jsonl", "judgeMaxTokens": 32}
    judge = {"endpoint": {"url": "https://api.example.com/v1", "model": "judge-1"}}
    found = made(evaluation={"judgements": [judgement]}, judge=judge)
    added = cost(found.stages, ()).tokens - cost(made().stages, ()).tokens
    assert added == 2 * 2 * 130 * 32


def test_a_judge_grades_two_turns_of_each_model_and_format_of_m0() -> None:
    judgement = {"name": "bench", "storageUri": "s3://bucket/q.jsonl", "judgeMaxTokens": 32}
    judge = {"endpoint": {"url": "https://api.example.com/v1", "model": "judge-1"}}
    without = cost(made().stages, ()).tokens
    for prompt_format, models in (("Both", 3), ("Chat", 2)):
        fields = {**judgement, "kind": "Grades", "promptFormat": prompt_format}
        found = made(evaluation={"judgements": [fields]}, judge=judge)
        assert cost(found.stages, ()).tokens - without == 2 * models * 130 * 32


def test_without_a_measurement_the_cost_is_unknown_and_names_what_is_missing() -> None:
    found = cost(made().stages, [m for m in MEASURED if m.kind is not StageKind.ASSESS])
    assert (found.seconds, found.gpu_seconds, found.bytes) == (None, None, None)
    assert found.unmeasured == (StageKind.ASSESS,)
    assert cost(made(yardstick={}).stages, MEASURED).unmeasured == (
        StageKind.EVALUATE,
        StageKind.VERDICT,
    )


def test_the_rates_are_for_an_item_a_step_or_a_stage() -> None:
    # 5 completions, 40 responses, 40 scores; 36 pairs to train on, twice, in batches of 16.
    units = 5 + 40 + 40 + 6 + 1 + 1 + 1 + 1
    found = cost(made(instructions={"count": 40}).stages, MEASURED)
    assert found.seconds == pytest.approx(2 * units)
    assert found.gpu_seconds == pytest.approx(0.5 * units)
    assert found.bytes == pytest.approx(100 * units)
    assert found.unmeasured == ()


def test_rates_are_means_over_the_units_of_all_measured_stages() -> None:
    more = MeasuredStage(StageKind.RESPOND, units=30, seconds=20, gpu_seconds=0, bytes=0)
    once = cost(made().stages, MEASURED).seconds
    both = cost(made().stages, [*MEASURED, more]).seconds
    assert once is not None
    assert both == pytest.approx(once - 40 * 2 + 40 * 1)


def test_stages_that_exist_cost_nothing() -> None:
    everything = tuple(one.stage.id for one in made().stages)
    found = cost(made(everything).stages, ())
    assert (found.tokens, found.seconds, found.unmeasured) == (0, 0, ())


def on(device: str | None, run: str, gpu_seconds: float, *kinds: StageKind) -> list[MeasuredStage]:
    """Return stages that a run has measured on a device: 2 seconds a unit on CPUs, 1 on GPUs."""
    seconds = 10 if gpu_seconds else 20
    held = {k: gpu_seconds * (STAGE_DEFINITIONS[k].pool is not Pool.PROCESSING) for k in KINDS}
    return [MeasuredStage(k, 10, seconds, held[k], 100, device, run) for k in kinds or KINDS]


CPU, H200 = "2 x Xeon", "NVIDIA H200"


def test_the_rates_of_a_cpu_and_of_a_gpu_are_never_mixed() -> None:
    measured = [*on(CPU, "small", 0), *on(H200, "large", 10)]
    stages = made().stages
    for on_gpus, device, run in ((False, CPU, "small"), (True, H200, "large")):
        found = cost(stages, measured, on_gpus=on_gpus)
        alone = cost(stages, [m for m in measured if m.run == run], on_gpus=on_gpus)
        assert found.device == device
        assert found.gpu_seconds == alone.gpu_seconds
        assert bool(found.gpu_seconds) == on_gpus
    # No run has measured a training on the GPU, so a plan for GPUs does not take that of the CPU.
    without = [m for m in measured if (m.kind, m.device) != (StageKind.TRAIN, H200)]
    found = cost(stages, without, on_gpus=True)
    assert (found.seconds, found.unmeasured, found.device) == (None, (StageKind.TRAIN,), H200)


def test_another_device_gives_the_rates_if_none_like_the_runs_was_measured() -> None:
    found = cost(made().stages, on(CPU, "small", 0), on_gpus=True)
    assert (found.device, found.measured_by) == (CPU, ("small",))
    assert found.seconds is not None
    few = [*on(H200, "a", 10, StageKind.RESPOND), *on("NVIDIA L4", "b", 10)]
    assert cost(made().stages, few, on_gpus=True).device == "NVIDIA L4"


def test_the_price_is_that_of_each_pools_resource() -> None:
    found = cost(made().stages, on(H200, "a", 10), on_gpus=True)
    seconds = found.pool_seconds
    prices = Prices(currency="EUR", per_hour={"nvidia.com/gpu": 3600, "nvidia.com/mig": 36})
    resources = dict.fromkeys(Pool, "nvidia.com/gpu")
    assert money(found, resources, None) is None
    assert money(found, {**resources, Pool.TRAINING: "amd.com/gpu"}, prices) is None
    assert money(found, {**resources, Pool.TRAINING: "nvidia.com/mig"}, prices) == pytest.approx(
        sum(seconds.values()) - seconds[Pool.TRAINING] * 0.99
    )
    assert money(cost(made().stages, ()), resources, prices) is None
