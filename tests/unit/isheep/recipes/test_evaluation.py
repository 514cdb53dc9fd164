"""The stages that measure a model: which recipes yield them, where, and what their keys share."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.planner.walk import Walk, walk
from isheep.recipes.builders.assess import assessor_can_change
from isheep.recipes.evaluation_settings import EvaluateSettings, VerdictSettings
from isheep.recipes.interface import FAILED, Stage, Statistics, has_failed
from isheep.recipes.prediction import best_result
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind

from ..planner.prepared_inputs import prepared_for
from ..planner.simulation import spec_with

VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}


def walked(failed: tuple[str, ...] = (), **changes: Any) -> Walk:
    spec = SelfAlignmentRunSpec.read(spec_with(**{"yardstick": {}, **changes}))

    def lookup(stage: Stage, _key: str) -> Statistics:
        return FAILED if stage.id in failed else best_result(stage, spec)

    return walk(RECIPES[spec.recipe], spec, prepared_for(), VERSIONS, lookup)


def ids(found: Walk) -> list[str]:
    return [stage.id for stage in found.stages]


def test_without_a_yardstick_no_model_is_measured() -> None:
    found = walked(yardstick=None)
    assert {StageKind.EVALUATE, StageKind.VERDICT}.isdisjoint(s.kind for s in found.stages)


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_measures_every_model_once(recipe: str) -> None:
    found = walked(recipe=recipe, iterations=2)
    measured = [s for s in found.stages if s.kind is StageKind.EVALUATE]
    assert [(s.id, s.iteration, s.model) for s in measured] == [
        ("i0/evaluate/yardstick", 1, ""),
        ("i1/evaluate/yardstick", 2, "i1/merge"),
        ("i2/evaluate/yardstick", 2, "i2/merge"),
    ]
    assert len({s.settings.model_dump_json(exclude={"model"}) for s in measured}) == 1


def test_a_model_is_measured_after_its_responses_and_the_last_one_after_its_training() -> None:
    found = ids(walked(iterations=1))
    assert found == [
        "prepare",
        "i1/generate/r1",
        "i1/curate/r1",
        "i1/respond",
        "i0/evaluate/yardstick",
        "i1/assess",
        "i1/select",
        "i1/train",
        "i1/merge",
        "i1/evaluate/yardstick",
        "i1/verdict",
        "i1/report",
    ]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_verdict_reads_the_pairs_and_the_prompts_behind_each_training_set(recipe: str) -> None:
    stages = {s.id: s for s in walked(recipe=recipe, iterations=2).stages}
    generates = tuple(id_ for id_, s in stages.items() if s.kind is StageKind.GENERATE)
    for t in (1, 2):
        found, selects = stages[f"i{t}/verdict"], [f"i{n}/select" for n in range(1, t + 1)]
        settings = found.settings
        assert isinstance(settings, VerdictSettings)
        assert found.inputs["data"] == tuple(selects)
        assert found.inputs["pairs"] == tuple(stages[id_].inputs["pairs"][0] for id_ in selects)
        # A verdict on M(1) that comes in iteration 2 does not read the prompts of iteration 2.
        early = tuple(id_ for id_ in generates if int(id_[1]) <= t)
        assert found.inputs["completions"] == early
        assert settings.generated_in == tuple(int(id_[1]) for id_ in early)


def test_controls_follow_the_scores_and_change_no_key_of_the_method() -> None:
    without, with_them = walked(), walked(assessment={"controls": 100}, iterations=2)
    stages = {stage.id: stage for stage in with_them.stages}
    assert ids(with_them).index("i1/controls") == ids(with_them).index("i1/assess") + 1
    controls, assess = stages["i2/controls"], stages["i2/assess"]
    assert controls.inputs == {**assess.inputs, "scores": ("i2/assess",)}
    assert (controls.items, controls.model) == (40, assess.model)  # the run has 40 pairs
    same = set(without.keys) - {"prepare", "i1/report", "i2/report"}
    assert all(without.keys[id_] == with_them.keys[id_] for id_ in same)
    assert "i1/controls" in stages["i1/report"].inputs
    failed = walked(("i1/controls",), assessment={"controls": 100})
    assert "i1/controls" not in {s.id: s for s in failed.stages}["i1/report"].inputs


def test_anchors_are_pairs_of_the_first_iteration_that_later_assessors_score() -> None:
    without = walked(iterations=3)
    found = walked(assessment={"anchors": 60}, iterations=3, randomSeed=1)
    stages = {stage.id: stage for stage in found.stages}
    assert [id_ for id_ in ids(found) if id_.endswith("/anchors")] == ["i2/anchors", "i3/anchors"]
    anchors, assess = stages["i3/anchors"], stages["i3/assess"]
    assert anchors.inputs == {**assess.inputs, "pairs": ("i1/respond",), "scores": ("i1/assess",)}
    assert (anchors.items, anchors.model) == (40, "i2/merge")  # the run has 40 pairs
    fields = {"explanations", "compare"}
    assert anchors.settings.model_dump(exclude=fields) == assess.settings.model_dump(exclude=fields)
    assert {"i2/anchors", "i3/anchors"} < set(stages["i3/report"].inputs)
    verdict = stages["i3/verdict"]
    assert verdict.inputs["anchors"] == ("i1/assess", "i2/anchors", "i3/anchors")
    assert isinstance(verdict.settings, VerdictSettings)
    assert [(one.t, one.prompt_format) for one in verdict.settings.anchors or ()] == [
        (1, "Raw"),
        (2, "Chat"),
        (3, "Chat"),
    ]
    assert "LenientAssessor" in verdict.settings.guards
    assert "anchors" not in stages["i1/verdict"].inputs
    plain = {stage.id: stage for stage in without.stages}["i3/verdict"].settings
    assert isinstance(plain, VerdictSettings)
    assert "LenientAssessor" not in plain.guards
    assert plain.anchors is None


def test_anchors_change_no_key_of_the_method_and_can_fail() -> None:
    without, with_them = walked(iterations=2), walked(assessment={"anchors": 60}, iterations=2)
    optional = ("prepare", "report", "verdict")
    same = {id_ for id_ in without.keys if not id_.endswith(optional)}
    assert all(without.keys[id_] == with_them.keys[id_] for id_ in same)
    failed = walked(("i2/anchors",), assessment={"anchors": 60}, iterations=2)
    stages = {stage.id: stage for stage in failed.stages}
    assert "i2/anchors" not in stages["i2/report"].inputs
    assert "anchors" not in stages["i2/verdict"].inputs


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"assessor": "Base"}, False),
        ({"assessor": "Judge", "judge": {"model": {"storageUri": "hf://other/judge"}}}, False),
        (
            {
                "assessor": "Judge",
                "judge": {"endpoint": {"url": "https://a.example", "model": "m"}},
            },
            True,
        ),
    ],
)
def test_an_assessor_that_is_always_the_same_model_has_no_anchors(
    changes: dict[str, Any], wanted: bool
) -> None:
    judge = {"judge": changes["judge"]} if "judge" in changes else {}
    spec = SelfAlignmentRunSpec.read(
        spec_with(assessment={"assessor": changes["assessor"], "anchors": 60}, **judge)
    )
    assert assessor_can_change(spec) is wanted


@pytest.mark.parametrize("checked", ["controls", "anchors"])
def test_a_selection_without_scores_has_no_checks_of_scores(checked: str) -> None:
    found = walked(assessment={checked: 100}, selection={"method": "Random"}, iterations=2)
    kinds = {StageKind.CONTROLS, StageKind.ANCHORS}
    assert kinds.isdisjoint(stage.kind for stage in found.stages)


def test_no_key_of_the_method_depends_on_the_yardstick() -> None:
    without, with_it = walked(yardstick=None), walked()
    kept = {id_: key for id_, key in with_it.keys.items() if id_ in without.keys}
    different = {id_ for id_, key in kept.items() if without.keys[id_] != key}
    assert different == {"prepare", "i1/report", "i2/report"}


def test_runs_with_other_data_and_training_share_the_measurement_of_the_base() -> None:
    keys = {
        walked(**changes).keys["i0/evaluate/yardstick"]
        for changes in (
            {},
            {"randomSeed": 7},
            {"recipe": "SelfInstruct"},
            {"responses": {"sampling": {"temperature": 0.1}}},
            {"training": {"learningRate": 0.001, "lora": {"r": 4}}},
            {"selection": {"threshold": 8}},
        )
    }
    assert len(keys) == 1
    assert walked(yardstick={"randomSeed": 1}).keys["i0/evaluate/yardstick"] not in keys


def test_all_models_answer_in_the_format_of_the_trained_ones() -> None:
    formats = {
        wanted: {
            stage.settings.prompt_format
            for stage in walked(responses={"promptFormat": wanted}).stages
            if isinstance(stage.settings, EvaluateSettings)
        }
        for wanted in ("RawThenChat", "Raw", "Chat")
    }
    assert formats == {"RawThenChat": {"Chat"}, "Raw": {"Raw"}, "Chat": {"Chat"}}


def test_there_are_no_more_items_than_seed_tasks() -> None:
    def items(count: int) -> set[int | None]:
        found = walked(yardstick={"items": count}).stages
        return {stage.items for stage in found if stage.kind is StageKind.EVALUATE}

    assert (items(24), items(1000)) == ({24}, {60})


@pytest.mark.parametrize(
    ("failed", "verdicts"),
    [
        (("i0/evaluate/yardstick",), {}),
        (("i1/evaluate/yardstick",), {"i2/verdict": ("i0", "i2")}),
        (("i2/evaluate/yardstick",), {"i1/verdict": ("i0", "i1")}),
        ((), {"i1/verdict": ("i0", "i1"), "i2/verdict": ("i0", "i1", "i2")}),
    ],
)
def test_a_verdict_reads_the_measurements_that_did_not_fail(
    failed: tuple[str, ...], verdicts: dict[str, tuple[str, ...]]
) -> None:
    found = walked(failed)
    read = {
        stage.id: tuple(id_.partition("/")[0] for id_ in stage.inputs["evaluations"])
        for stage in found.stages
        if stage.kind is StageKind.VERDICT
    }
    assert read == verdicts
    report = found.stages[-1]
    assert report.id == "i2/report"
    assert set(failed).isdisjoint(report.inputs)
    shown = [id_ for id_ in report.inputs if id_.endswith("verdict")]
    assert shown == list(verdicts)[-1:]


def test_a_failed_verdict_is_not_in_the_report() -> None:
    report = walked(("i2/verdict",)).stages[-1]
    assert [id_ for id_ in report.inputs if id_.endswith("verdict")] == ["i1/verdict"]
    assert has_failed(FAILED)
    assert not has_failed({"items": 3.0})
    assert not has_failed(None)
