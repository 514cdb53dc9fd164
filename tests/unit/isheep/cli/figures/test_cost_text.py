"""The cost of a plan as text: what is known, the device of its rates, and its price."""

from __future__ import annotations

from typing import Any

from isheep.api.gpu_usage import Prices
from isheep.api.run import SelfAlignmentRunSpec
from isheep.cli.figures.cost_text import Money, cost_text, money_of
from isheep.contract.choices import Pool
from isheep.planner.cost import Cost
from isheep.recipes.stage_kinds import StageKind

from ...planner.simulation import spec_with

KNOWN = Cost(
    tokens=1200,
    seconds=90,
    gpu_seconds=7200,
    bytes=2048,
    unmeasured=(),
    pool_seconds={Pool.INFERENCE: 3600, Pool.TRAINING: 3600, Pool.PROCESSING: 0},
    device="NVIDIA H200",
    measured_by=("lamb", "ewe"),
)


def test_a_known_cost_names_the_device_and_the_runs_of_its_rates() -> None:
    text = cost_text(KNOWN, Money(12.5, "EUR"))
    assert text.startswith(
        "at most 1,200 generated tokens; about 1 min 30 s, 2.00 GPU-hours (12.50"
    )
    assert text.endswith(" EUR) and 2 KiB in the store, at the rates of lamb, ewe on NVIDIA H200")
    assert "2.00 GPU-hours and" in cost_text(KNOWN, None)


def test_an_unknown_cost_names_the_device_that_was_not_measured() -> None:
    unknown = Cost(5, None, None, None, (StageKind.TRAIN,), device="NVIDIA H200")
    assert cost_text(unknown, None).endswith("has measured train on NVIDIA H200")
    nothing = Cost(5, None, None, None, (StageKind.TRAIN,))
    assert cost_text(nothing, None).endswith("has measured train")


def test_each_pool_is_priced_by_the_resource_in_its_limits() -> None:
    limits: dict[str, Any] = {"resources": {"limits": {"nvidia.com/mig-1g.10gb": 1}}}
    spec = SelfAlignmentRunSpec.read(spec_with(compute={"training": limits}))
    prices = Prices(currency="EUR", per_hour={"nvidia.com/gpu": 2.5, "nvidia.com/mig-1g.10gb": 0.4})
    assert money_of(KNOWN, spec, prices) == Money(2.9, "EUR")
    assert money_of(KNOWN, spec, Prices(currency="EUR", per_hour={"nvidia.com/gpu": 2})) is None
    assert money_of(KNOWN, spec, None) is None
