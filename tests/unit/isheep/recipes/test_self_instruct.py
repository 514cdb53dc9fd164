"""The stages of Self-Instruct and of its light variant: their order, inputs and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import Pool
from isheep.recipes.interface import End, Stage, Statistics
from isheep.recipes.self_instruct import SelfInstruct

from .stages_of import stages_of

ENDING = ("select", "train", "merge", "report")


def spec_of(**fields: Any) -> SelfAlignmentRunSpec:
    return SelfAlignmentRunSpec.read(
        {
            "recipe": "SelfInstruct",
            "iterations": 2,
            "model": {"storageUri": "hf://o/m"},
            **fields,
        }
    )


def walk(spec: SelfAlignmentRunSpec, results: Mapping[str, Statistics]) -> dict[str, Stage]:
    """Return the stages of a run by id."""
    return stages_of(SelfInstruct(), spec, results)[0]


def results(*accepted: int) -> dict[str, Statistics]:
    """Return the results of two iterations, each with these counts after its rounds."""
    decided: dict[str, Statistics] = {}
    for t in (1, 2):
        decided[f"i{t}/select"] = {"kept": 500}
        for number, count in enumerate(accepted, start=1):
            decided[f"i{t}/curate/r{number}"] = {"accepted": count}
    return decided


def ids(*names: str) -> list[str]:
    return ["prepare", *(f"i{t}/{name}" for t in (1, 2) for name in names)]


def test_without_the_result_of_prepare_there_is_no_other_stage() -> None:
    generator = SelfInstruct().stages(spec_of(), None)
    assert next(generator).id == "prepare"
    with pytest.raises(StopIteration) as end:
        generator.send({})
    assert end.value.value == End(complete=False)


def test_the_full_method_classifies_and_instantiates() -> None:
    stages = walk(spec_of(), results(10000))
    assert list(stages) == ids("generate/r1", "curate/r1", "classify", "instantiate", *ENDING)
    classify, instantiate = stages["i2/classify"], stages["i2/instantiate"]
    tasks = ("i2/curate/r1",)
    assert classify.inputs == {"instructions": tasks, "model": ("i1/merge",)}
    assert instantiate.inputs == {
        "instructions": tasks,
        "classified": ("i2/classify",),
        "model": ("i1/merge",),
    }
    assert (classify.items, instantiate.items) == (10000, 10000)
    assert classify.pool is instantiate.pool is Pool.INFERENCE
    assert stages["i2/select"].inputs == {"pairs": ("i2/instantiate",)}
    assert {"i2/classify", "i2/instantiate"} <= set(stages["i2/report"].inputs)


def test_the_light_variant_answers_the_instructions() -> None:
    stages = walk(spec_of(selfInstruct={"instances": "ZeroShot"}), results(10000))
    assert list(stages) == ids("generate/r1", "curate/r1", "respond", *ENDING)
    assert stages["i1/respond"].inputs == {"instructions": ("i1/curate/r1",)}
    assert stages["i1/select"].inputs == {"pairs": ("i1/respond",)}
    # Both variants share the artifacts of the instructions.
    full = walk(spec_of(), results(10000))
    for stage in ("i1/generate/r1", "i1/curate/r1"):
        assert stages[stage].settings == full[stage].settings


def test_the_defaults_are_self_instructs_own_settings() -> None:
    stages = walk(spec_of(), results(10000))
    generate = stages["i1/generate/r1"].settings.canonical()
    assert (generate["examplesPerPrompt"], generate["machineExamples"]) == (8, 2)
    assert generate["sampling"] == {
        "temperature": 0.7,
        "topP": 0.5,
        "presencePenalty": 2.0,
        "maxTokens": 1024,
    }
    assert generate["taskList"] == "SelfInstruct"
    curate = stages["i1/curate/r1"].settings.canonical()
    assert (curate["examplesPerPrompt"], curate["taskList"]) == (8, "SelfInstruct")
    instantiate = stages["i1/instantiate"].settings.canonical()
    assert (instantiate["maxInstances"], instantiate["sampling"]["temperature"]) == (5, 0.0)
    for settings in (curate, instantiate, stages["i1/select"].settings.canonical()):
        assert settings["rules"] == "SelfInstruct"


def test_settings_of_the_run_replace_the_defaults() -> None:
    own = {
        "examplesPerPrompt": 6,
        "machineExamples": 0,
        "sampling": {"temperature": 1.0, "presencePenalty": 0},
        "maxInstances": 2,
        "instanceSampling": {"maxTokens": 99},
    }
    stages = walk(spec_of(selfInstruct=own, curation={"rules": "None"}), results(4000, 10000))
    generate = stages["i1/generate/r2"]
    settings = generate.settings.canonical()
    assert (settings["examplesPerPrompt"], settings["machineExamples"]) == (6, 0)
    assert (settings["sampling"]["temperature"], settings["sampling"]["topP"]) == (1.0, 0.5)
    assert "pool" not in generate.inputs
    instantiate = stages["i1/instantiate"].settings.canonical()
    assert (instantiate["maxInstances"], instantiate["sampling"]["maxTokens"]) == (2, 99)
    assert instantiate["rules"] == stages["i1/curate/r1"].settings.canonical()["rules"] == "None"


@pytest.mark.parametrize(
    ("pool", "first", "second"),
    [
        ("Iteration", None, ("i2/curate/r1",)),
        ("Run", ("i1/curate/r2",), ("i1/curate/r2", "i2/curate/r1")),
    ],
)
def test_machine_made_examples_come_from_the_pool_of_the_previous_round(
    pool: str, first: tuple[str] | None, second: tuple[str, ...]
) -> None:
    spec = spec_of(curation={"deduplication": {"pool": pool}})
    stages = walk(spec, results(4000, 10000))
    assert "pool" not in stages["i1/generate/r1"].inputs
    assert stages["i1/generate/r2"].inputs["pool"] == ("i1/curate/r1",)
    assert stages["i2/generate/r1"].inputs.get("pool") == first
    assert stages["i2/generate/r2"].inputs["pool"] == second


@pytest.mark.parametrize(
    ("method", "stage", "role"),
    [("SelfAssessment", "assess", "scores"), ("Perplexity", "measure", "measures")],
)
@pytest.mark.parametrize(
    ("own", "pairs"), [({}, "instantiate"), ({"instances": "ZeroShot"}, "respond")]
)
def test_the_selection_method_determines_how_pairs_are_judged(
    own: dict[str, str], pairs: str, method: str, stage: str, role: str
) -> None:
    spec = spec_of(selfInstruct=own, selection={"method": method})
    stages = walk(spec, results(10000))
    judging = stages[f"i2/{stage}"]
    assert (judging.inputs["pairs"], judging.items) == ((f"i2/{pairs}",), 10000)
    assert judging.settings.canonical()["rules"] == "SelfInstruct"
    assert stages["i2/select"].inputs == {"pairs": (f"i2/{pairs}",), role: (judging.id,)}
