"""The stages on benchmarks: which models answer, in which formats, and what their keys share."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared, PreparedBenchmark
from isheep.planner.walk import Walk, walk
from isheep.recipes.evaluation_settings import EvaluateSettings, VerdictSettings
from isheep.recipes.interface import FAILED, Stage, Statistics
from isheep.recipes.prediction import best_result
from isheep.recipes.registry import RECIPES
from isheep.recipes.settings import CurateSettings, SelectSettings
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind

from ..planner.prepared_inputs import prepared_for
from ..planner.simulation import spec_with

VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
IFEVAL = PreparedBenchmark(digest="ab" * 32, requests={"Raw": 541, "Chat": 541}, length=1536)
ARC = PreparedBenchmark(digest="cd" * 32, requests={"Chat": 120}, length=512)
BENCHMARKS = {
    "benchmarks": [
        {"name": "quiz", "task": "arc_easy", "promptFormat": "Chat"},
        {"name": "rules", "task": "ifeval", "share": {"validation": 0.3}},
    ]
}


def prepared(**changes: Any) -> Prepared:
    fields = {"evaluation": {"rules": IFEVAL, "quiz": ARC}, "harness": "0.4.13", **changes}
    return prepared_for().model_copy(update=fields)


def walked(failed: tuple[str, ...] = (), found: Prepared | None = None, **changes: Any) -> Walk:
    spec = SelfAlignmentRunSpec.read(spec_with(**{"evaluation": BENCHMARKS, **changes}))

    def lookup(stage: Stage, _key: str) -> Statistics:
        return FAILED if stage.id in failed else best_result(stage, spec)

    return walk(RECIPES[spec.recipe], spec, found or prepared(), VERSIONS, lookup)


def ids(found: Walk, *kinds: StageKind) -> list[str]:
    return [stage.id for stage in found.stages if stage.kind in kinds]


def verdicts(found: Walk) -> list[VerdictSettings]:
    return [s.settings for s in found.stages if isinstance(s.settings, VerdictSettings)]


@pytest.mark.parametrize("recipe", RECIPES)
def test_m0_answers_in_both_formats_and_later_models_in_that_of_their_responses(
    recipe: str,
) -> None:
    found = walked(recipe=recipe, iterations=2)
    assert ids(found, StageKind.EVALUATE) == [
        "i0/evaluate/ifeval-abababab-chat",
        "i0/evaluate/ifeval-abababab-raw",
        "i0/evaluate/arc-easy-cdcdcdcd-chat",
        "i1/evaluate/ifeval-abababab-chat",
        "i1/evaluate/arc-easy-cdcdcdcd-chat",
        "i2/evaluate/ifeval-abababab-chat",
        "i2/evaluate/arc-easy-cdcdcdcd-chat",
    ]
    answers = [s for s in found.stages if s.kind is StageKind.EVALUATE]
    assert [s.items for s in answers[:3]] == [541, 541, 120]
    assert [s.model for s in answers[2:4]] == ["", "i1/merge"]
    scores = [s for s in found.stages if s.kind is StageKind.SCORE]
    assert [s.inputs["outputs"] for s in scores] == [(s.id,) for s in answers]


def test_a_run_in_raw_text_evaluates_later_models_in_raw_text() -> None:
    found = walked(iterations=1, responses={"promptFormat": "Raw"})
    rules = [one for one in ids(found, StageKind.EVALUATE) if "ifeval" in one]
    assert [one.rpartition("-")[2] for one in rules] == ["raw", "chat", "raw"]
    assert verdicts(found)[0].benchmarks[1].later_format == "Raw"


def test_scores_come_after_the_training_and_before_the_verdict() -> None:
    found = [stage.id for stage in walked(iterations=1).stages]
    place = {id_: number for number, id_ in enumerate(found)}
    assert place["i1/respond"] < place["i0/evaluate/ifeval-abababab-raw"] < place["i1/assess"]
    assert place["i1/merge"] < place["i0/score/ifeval-abababab-raw"]
    assert place["i1/score/ifeval-abababab-chat"] < place["i1/verdict"] < place["i1/report"]


def test_runs_with_other_data_training_and_names_share_the_evaluation_of_m0() -> None:
    renamed = {"benchmarks": [{"name": "other", "task": "ifeval", "role": "Validation"}]}
    keys = {
        tuple(found.keys[f"i0/{kind}/ifeval-abababab-raw"] for kind in ("evaluate", "score"))
        for found in (
            walked(),
            walked(randomSeed=7),
            walked(yardstick={}),
            walked(training={"learningRate": 0.001, "lora": {"r": 4}}),
            walked(found=prepared(max_model_length=4096)),
            walked(evaluation=renamed, found=prepared(evaluation={"other": IFEVAL})),
        )
    }
    assert len(keys) == 1
    other = walked(found=prepared(harness="0.4.14"))
    ((answers, scores),) = keys
    assert other.keys["i0/evaluate/ifeval-abababab-raw"] == answers
    assert other.keys["i0/score/ifeval-abababab-raw"] != scores


@pytest.mark.parametrize("wanted", ["Chat", "Raw"])
def test_runs_with_other_formats_of_responses_share_both_evaluations_of_m0(wanted: str) -> None:
    first, other = walked(), walked(responses={"promptFormat": wanted})
    for prompt_format in ("raw", "chat"):
        for kind in ("evaluate", "score"):
            stage = f"i0/{kind}/ifeval-abababab-{prompt_format}"
            assert first.keys[stage] == other.keys[stage]


def test_no_key_of_the_method_depends_on_benchmarks_that_only_report() -> None:
    without, with_it = walked(evaluation=None, found=prepared_for()), walked()
    kept = {id_: key for id_, key in with_it.keys.items() if id_ in without.keys}
    different = {id_ for id_, key in kept.items() if without.keys[id_] != key}
    assert different == {"prepare", "i1/report", "i2/report"}


def test_texts_that_must_be_dropped_are_in_the_key_of_curate() -> None:
    found = walked(found=prepared(evaluation_texts="texts"))
    (first, *_) = [s.settings for s in found.stages if isinstance(s.settings, CurateSettings)]
    assert first.decontamination is not None
    assert first.decontamination.benchmarks == {"Evaluation": "texts"}
    assert found.keys["i1/curate/r1"] != walked().keys["i1/curate/r1"]


def test_texts_that_must_be_dropped_from_responses_are_in_the_key_of_select() -> None:
    texts = prepared(evaluation_texts="texts")
    drops = {**BENCHMARKS, "contaminatedResponses": "Drop"}
    found = walked(found=texts, evaluation=drops)
    (first, *_) = [s.settings for s in found.stages if isinstance(s.settings, SelectSettings)]
    assert first.decontamination is not None
    assert first.decontamination.benchmarks == {"Evaluation": "texts"}
    for other in (walked(found=texts), walked(evaluation=drops)):
        settings = [s.settings for s in other.stages if isinstance(s.settings, SelectSettings)]
        assert [one.decontamination for one in settings] == [None, None]


def test_two_benchmarks_with_the_same_requests_have_the_same_stages() -> None:
    twice = {"benchmarks": [{"name": name, "task": "ifeval"} for name in ("a", "b")]}
    found = walked(
        iterations=1, evaluation=twice, found=prepared(evaluation={"a": IFEVAL, "b": IFEVAL})
    )
    assert len(ids(found, StageKind.EVALUATE)) == 3
    (settings,) = verdicts(found)
    assert [one.benchmark for one in settings.scores] == ["a", "a", "b", "b", "a", "b"]


@pytest.mark.parametrize(
    ("failed", "models"),
    [
        ((), [("rules", 0), ("rules", 0), ("quiz", 0), ("rules", 1), ("quiz", 1)]),
        (
            ("i0/evaluate/ifeval-abababab-raw",),
            [("rules", 0), ("quiz", 0), ("rules", 1), ("quiz", 1)],
        ),
        (("i0/score/arc-easy-cdcdcdcd-chat",), [("rules", 0), ("rules", 0), ("rules", 1)]),
        (
            ("i1/score/ifeval-abababab-chat",),
            [("rules", 0), ("rules", 0), ("quiz", 0), ("quiz", 1)],
        ),
    ],
)
def test_a_verdict_reads_the_scores_that_did_not_fail(
    failed: tuple[str, ...], models: list[tuple[str, int]]
) -> None:
    found = walked(failed, iterations=1)
    (settings,) = verdicts(found)
    assert [(one.benchmark, one.t) for one in settings.scores] == models
    report = found.stages[-1]
    assert report.id == "i1/report"
    assert set(failed).isdisjoint(report.inputs)


def test_without_scores_there_is_no_verdict_and_the_run_goes_on() -> None:
    found = walked(("i1/evaluate/ifeval-abababab-chat", "i1/evaluate/arc-easy-cdcdcdcd-chat"))
    assert ids(found, StageKind.VERDICT) == ["i2/verdict"]
    assert found.end.complete


def test_answers_need_the_length_of_the_requests_and_not_that_of_the_run() -> None:
    lengths = {
        stage.settings.model.max_model_length
        for stage in walked().stages
        if isinstance(stage.settings, EvaluateSettings)
    }
    assert lengths == {1536, 512}


MEMORIZATION = PreparedBenchmark(digest="ef" * 32, requests={"Raw": 90}, length=256)


def test_m0_completes_items_once_and_each_verdict_reads_it() -> None:
    found = walked(found=prepared(memorization=MEMORIZATION))
    name = "i0/evaluate/memorization-efefefef-raw"
    (stage,) = [one for one in found.stages if "memorization" in one.id]
    assert (stage.id, stage.items, stage.model, stage.iteration) == (name, 90, "", 1)
    read = [one for one in found.stages if one.kind is StageKind.VERDICT]
    assert [one.inputs["memorized"] for one in read] == [(name,)] * 2
    assert {one.memorization for one in verdicts(found)} == {MEMORIZATION.digest}
    assert name in next(one for one in found.stages if one.id == "i2/report").inputs
    without = walked()
    changed = {id_ for id_, key in without.keys.items() if found.keys[id_] != key}
    assert changed == {"i1/verdict", "i2/verdict", "i1/report", "i2/report"}


def test_without_the_completions_there_is_a_verdict() -> None:
    name = "i0/evaluate/memorization-efefefef-raw"
    found = walked(failed=(name,), found=prepared(memorization=MEMORIZATION))
    assert all("memorized" not in one.inputs for one in found.stages)
    assert {one.memorization for one in verdicts(found)} == {None}
