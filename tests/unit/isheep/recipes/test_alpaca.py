"""The stages of Alpaca: the output of curate are pairs, and no stage answers instructions."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes.alpaca import Alpaca
from isheep.recipes.interface import Stage

from .stages_of import stages_of

RESULTS = {
    f"i{t}/{stage}": statistics
    for t in (1, 2)
    for stage, statistics in (
        ("curate/r1", {"accepted": 4000}),
        ("curate/r2", {"accepted": 10000}),
        ("select", {"kept": 500}),
    )
}
ROUNDS = ["generate/r1", "curate/r1", "generate/r2", "curate/r2"]
ENDING = ["select", "train", "merge", "report"]


def walk(**fields: Any) -> dict[str, Stage]:
    """Return the stages of a run by id."""
    spec = SelfAlignmentRunSpec.read(
        {
            "recipe": "Alpaca",
            "iterations": 2,
            "model": {"storageUri": "hf://o/m"},
            **fields,
        }
    )
    return stages_of(Alpaca(), spec, RESULTS)[0]


@pytest.mark.parametrize("pool", ["Iteration", "Run"])
def test_select_reads_the_pairs_from_curate(pool: str) -> None:
    stages = walk(curation={"deduplication": {"pool": pool}})
    assert list(stages) == ["prepare", *(f"i{t}/{s}" for t in (1, 2) for s in ROUNDS + ENDING)]
    assert stages["i2/select"].inputs == {"pairs": ("i2/curate/r2",)}
    assert stages["i2/train"].inputs == {"data": ("i2/select",)}
    # All examples are seed tasks.
    assert stages["i2/generate/r2"].inputs == {"model": ("i1/merge",)}


def test_the_defaults_are_alpacas_own_settings() -> None:
    stages = walk()
    generate = stages["i1/generate/r1"].settings.canonical()
    assert (generate["examplesPerPrompt"], generate["taskList"]) == (3, "Alpaca")
    assert "machineExamples" not in generate
    assert generate["sampling"] == {"temperature": 1.0, "topP": 1.0, "maxTokens": 3072}
    curate = stages["i1/curate/r1"].settings.canonical()
    assert (curate["taskList"], curate["rules"]) == ("Alpaca", "SelfInstruct")


def test_settings_of_the_run_replace_the_defaults() -> None:
    own = {"examplesPerPrompt": 2, "sampling": {"temperature": 0.5}}
    stages = walk(alpaca=own, curation={"rules": "ISheep"})
    generate = stages["i1/generate/r1"].settings.canonical()
    assert generate["examplesPerPrompt"] == 2
    assert (generate["sampling"]["temperature"], generate["sampling"]["topP"]) == (0.5, 1.0)
    assert stages["i1/select"].settings.canonical()["rules"] == "ISheep"


@pytest.mark.parametrize(
    ("method", "stage", "role"),
    [("SelfAssessment", "assess", "scores"), ("Perplexity", "measure", "measures")],
)
def test_the_selection_method_determines_how_pairs_are_judged(
    method: str, stage: str, role: str
) -> None:
    stages = walk(selection={"method": method})
    judging = stages[f"i1/{stage}"]
    assert (judging.inputs["pairs"], judging.items) == (("i1/curate/r2",), 10000)
    assert stages["i1/select"].inputs[role] == (judging.id,)
