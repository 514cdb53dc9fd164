"""The stages that are predicted before a run starts."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes.prediction import predicted_stages
from isheep.recipes.registry import RECIPES

from .stages_of import PREPARED


def predicted(recipe: str, **fields: Any) -> list[str]:
    required = {"recipe": recipe, "iterations": 2, "model": {"storageUri": "hf://o/m"}}
    spec = SelfAlignmentRunSpec.read(required | fields)
    return [stage.id for stage in predicted_stages(RECIPES[recipe], spec, PREPARED)]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("wanted", [1, 1_000])
def test_the_prediction_ends_with_the_last_report(recipe: str, wanted: int) -> None:
    counts = {"instructions": {"count": wanted}, "selection": {"minSamples": wanted}}
    stages = predicted(recipe, **counts)
    assert stages[0] == "prepare"
    assert stages[-1] == "i2/report"


def test_each_collection_of_items_has_one_round() -> None:
    assert [id_ for id_ in predicted("Dromedary") if id_.startswith("i1/")] == [
        *("i1/generate/r1", "i1/topics/r1"),
        *("i1/generate/r2", "i1/curate/r2"),
        *("i1/generate/r3", "i1/curate/r3"),
        *(f"i1/{stage}" for stage in ("respond", "select", "train", "merge", "report")),
    ]


@pytest.mark.parametrize(
    ("recipe", "fields", "expected"),
    [
        ("ISheep", {}, {"respond", "assess"}),
        ("ISheep", {"selection": {"method": "None"}}, {"respond"}),
        ("SelfInstruct", {}, {"classify", "instantiate"}),
        ("SelfInstruct", {"selfInstruct": {"instances": "ZeroShot"}}, {"respond"}),
        ("Alpaca", {}, set()),
        ("Alpaca", {"selection": {"method": "SelfAssessment"}}, {"assess"}),
    ],
)
def test_the_prediction_has_only_the_stages_of_the_run(
    recipe: str, fields: dict[str, Any], expected: set[str]
) -> None:
    kinds = {id_.split("/")[1] for id_ in predicted(recipe, **fields)[1:]}
    assert kinds & {"classify", "instantiate", "respond", "assess"} == expected
