"""The stages of I-SHEEP for given results, for the tests of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared
from isheep.recipes.interface import End, Stage, Statistics
from isheep.recipes.isheep import ISheep

from .stages_of import PREPARED, stages_of

TWO_ITERATIONS = [
    "prepare",
    *(
        f"i{t}/{stage}"
        for t in (1, 2)
        for stage in (
            "generate/r1",
            "curate/r1",
            "respond",
            "assess",
            "select",
            "train",
            "merge",
            "report",
        )
    ),
]


def spec_of(**fields: Any) -> SelfAlignmentRunSpec:
    return SelfAlignmentRunSpec.read(
        {"recipe": "ISheep", "iterations": 2, "model": {"storageUri": "hf://o/m"}, **fields}
    )


def walk(
    spec: SelfAlignmentRunSpec,
    results: Mapping[str, Statistics],
    prepared: Prepared | None = PREPARED,
) -> tuple[dict[str, Stage], End]:
    """Return the stages by id, and how the recipe ended. `results` are the results by stage id."""
    return stages_of(ISheep(), spec, results, prepared)


def all_accepted(iterations: int, count: int = 10000) -> dict[str, Statistics]:
    results: dict[str, Statistics] = {}
    for t in range(1, iterations + 1):
        results[f"i{t}/curate/r1"] = {"accepted": count}
        results[f"i{t}/select"] = {"kept": 500, "meanScore": 9.1}
    return results
