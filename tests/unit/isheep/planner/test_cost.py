"""The cost of what is left: tokens from the settings, and time only from what was measured."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.planner.cost import MeasuredStage, cost
from isheep.planner.forecast import Forecast, forecast
from isheep.recipes.interface import Stage, Statistics
from isheep.recipes.prediction import best_result
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind

from .prepared_inputs import prepared_for
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
    return forecast(recipe, spec, prepared_for(), VERSIONS, lookup, prepare_committed=True)


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
