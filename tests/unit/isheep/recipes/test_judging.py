"""The stages on judgements: which models answer, what the judge compares, and what fails alone."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import Pool
from isheep.contract.prepared import Prepared, PreparedBenchmark, PreparedJudge
from isheep.planner.walk import Walk, walk
from isheep.recipes.evaluation_settings import JudgeSettings, VerdictSettings
from isheep.recipes.interface import FAILED, Stage, Statistics
from isheep.recipes.prediction import best_result
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind

from ..planner.prepared_inputs import prepared_for
from ..planner.simulation import spec_with

VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
WINS = PreparedBenchmark(digest="ab" * 32, requests={"Raw": 130, "Chat": 130}, length=1536)
URI = "s3://bucket/questions.jsonl"
JUDGEMENTS = [{"name": "wins", "storageUri": URI}]
MODEL = {"model": {"storageUri": "hf://org/judge"}}
ENDPOINT = {"endpoint": {"url": "https://api.example.com/v1", "model": "judge-1"}}
FOUND = PreparedJudge(
    digest="judge", dtype="bfloat16", max_model_length=8192, chat_format="its chat"
)


def walked(
    failed: tuple[str, ...] = (), judgement: dict[str, Any] | None = None, **changes: Any
) -> Walk:
    judgements = [{**JUDGEMENTS[0], **(judgement or {})}]
    fields = {"judge": MODEL, "iterations": 2, "evaluation": {"judgements": judgements}, **changes}
    spec = SelfAlignmentRunSpec.read(spec_with(**fields))
    prepared: Prepared = prepared_for().model_copy(
        update={"evaluation": {"wins": WINS}, "judge": FOUND}
    )

    def lookup(stage: Stage, _key: str) -> Statistics:
        return FAILED if stage.id in failed else best_result(stage, spec)

    return walk(RECIPES[spec.recipe], spec, prepared, VERSIONS, lookup)


def ids(found: Walk, kind: StageKind) -> list[str]:
    return [stage.id for stage in found.stages if stage.kind is kind]


def judges(found: Walk) -> list[Stage]:
    return [stage for stage in found.stages if stage.kind is StageKind.JUDGE]


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_later_model_is_judged_against_both_formats_of_m0(recipe: str) -> None:
    found = walked(recipe=recipe)
    assert ids(found, StageKind.EVALUATE) == [
        "i0/evaluate/questions-abababab-chat",
        "i0/evaluate/questions-abababab-raw",
        "i1/evaluate/questions-abababab-chat",
        "i2/evaluate/questions-abababab-chat",
    ]
    assert ids(found, StageKind.JUDGE) == [
        "i1/judge/wins-chat",
        "i1/judge/wins-raw",
        "i2/judge/wins-chat",
        "i2/judge/wins-raw",
    ]
    raw = judges(found)[1]
    assert raw.inputs == {
        "answers": ("i1/evaluate/questions-abababab-chat",),
        "base": ("i0/evaluate/questions-abababab-raw",),
    }
    assert (raw.items, raw.pool, raw.model) == (130, Pool.INFERENCE, "judge")
    settings = raw.settings
    assert isinstance(settings, JudgeSettings)
    assert settings.model is not None
    assert (settings.model.base_model, settings.model.max_model_length) == ("judge", 8192)
    assert settings.sampling.temperature == 0


def test_the_judge_comes_after_the_training_and_before_the_verdict() -> None:
    place = {stage.id: number for number, stage in enumerate(walked().stages)}
    assert place["i2/merge"] < place["i1/judge/wins-raw"] < place["i1/verdict"]
    assert place["i2/judge/wins-raw"] < place["i2/verdict"] < place["i2/report"]


def test_the_verdict_and_the_report_read_the_judgements() -> None:
    found = walked()
    verdict = next(stage for stage in found.stages if stage.id == "i2/verdict")
    assert verdict.inputs["judgements"] == tuple(ids(found, StageKind.JUDGE))
    settings = verdict.settings
    assert isinstance(settings, VerdictSettings)
    assert [(one.t, one.base_format) for one in settings.judged or ()] == [
        (1, "Chat"),
        (1, "Raw"),
        (2, "Chat"),
        (2, "Raw"),
    ]
    assert found.stages[-1].id == "i2/report"
    read = {id_ for of in found.stages[-1].inputs.values() for id_ in of}
    assert set(ids(found, StageKind.JUDGE)) < read


def test_answers_of_the_user_need_no_answers_of_m0() -> None:
    found = walked(judgement={"against": "Outputs"})
    assert ids(found, StageKind.EVALUATE)[0] == "i1/evaluate/questions-abababab-chat"
    assert ids(found, StageKind.JUDGE) == ["i1/judge/wins-outputs", "i2/judge/wins-outputs"]
    (first, _) = judges(found)
    assert set(first.inputs) == {"answers"}
    assert isinstance(first.settings, JudgeSettings)
    assert first.settings.outputs


def test_one_format_needs_one_answer_of_m0() -> None:
    found = walked(judgement={"promptFormat": "Chat"}, iterations=1)
    assert ids(found, StageKind.JUDGE) == ["i1/judge/wins-chat"]


def test_an_endpoint_needs_no_gpu() -> None:
    found = judges(walked(judge=ENDPOINT))
    assert {stage.pool for stage in found} == {Pool.PROCESSING}
    assert {stage.model for stage in found} == {None}
    settings = found[0].settings
    assert isinstance(settings, JudgeSettings)
    assert settings.model is None
    assert settings.endpoint is not None


@pytest.mark.parametrize(
    ("failed", "left"),
    [
        # M(1) might lose against the raw text of M(0), so its other comparison is no figure.
        ("i1/judge/wins-raw", ["i2/judge/wins-chat", "i2/judge/wins-raw"]),
        ("i1/evaluate/questions-abababab-chat", ["i2/judge/wins-chat", "i2/judge/wins-raw"]),
        ("i0/evaluate/questions-abababab-raw", []),
    ],
)
def test_a_failure_costs_its_figures_and_nothing_else(failed: str, left: list[str]) -> None:
    found = walked((failed,), yardstick={"items": 0})
    assert found.end.complete
    read = next((s for s in found.stages if s.id == "i2/verdict"), None)
    assert (list(read.inputs["judgements"]) if read else []) == left
    report = found.stages[-1]
    assert failed not in {id_ for of in report.inputs.values() for id_ in of}


def test_one_stage_grades_a_model_with_both_formats_of_m0() -> None:
    found = walked(judgement={"kind": "Grades"})
    assert ids(found, StageKind.JUDGE) == ["i1/judge/wins-grades", "i2/judge/wins-grades"]
    first = judges(found)[0]
    assert first.inputs == {
        "answers": ("i1/evaluate/questions-abababab-chat",),
        "base": ("i0/evaluate/questions-abababab-chat", "i0/evaluate/questions-abababab-raw"),
    }
    settings = first.settings
    assert isinstance(settings, JudgeSettings)
    assert (settings.kind, settings.base_formats) == ("Grades", ("Chat", "Raw"))
    verdict = next(stage for stage in found.stages if stage.id == "i2/verdict")
    assert verdict.inputs["grades"] == ("i1/judge/wins-grades", "i2/judge/wins-grades")
    assert "judgements" not in verdict.inputs
    read = verdict.settings
    assert isinstance(read, VerdictSettings)
    assert [(one.t, one.base_formats) for one in read.graded or ()] == [
        (1, ("Chat", "Raw")),
        (2, ("Chat", "Raw")),
    ]
    assert (read.judged, read.ngram) == (None, 13)


@pytest.mark.parametrize(
    ("failed", "left"),
    [
        ("i1/judge/wins-grades", ["i2/judge/wins-grades"]),
        ("i1/evaluate/questions-abababab-chat", ["i2/judge/wins-grades"]),
        ("i0/evaluate/questions-abababab-raw", []),
    ],
)
def test_a_failure_costs_the_grades_of_its_model(failed: str, left: list[str]) -> None:
    found = walked((failed,), judgement={"kind": "Grades"}, yardstick={"items": 0})
    assert found.end.complete
    read = next((s for s in found.stages if s.id == "i2/verdict"), None)
    assert (list(read.inputs["grades"]) if read else []) == left


def test_a_win_rate_has_no_setting_of_grades() -> None:
    """The keys of win rates that exist do not change."""
    for stage in judges(walked()):
        assert "baseFormats" not in stage.settings.canonical()


def test_no_key_of_the_method_depends_on_a_judgement() -> None:
    with_it, without = walked(), walked(evaluation=None, judge=None)
    shared = with_it.keys.keys() & without.keys.keys()
    different = {id_ for id_ in shared if with_it.keys[id_] != without.keys[id_]}
    assert different == {"prepare", "i1/report", "i2/report", "i1/verdict", "i2/verdict"} & shared


def test_another_judge_changes_the_judgements_and_not_the_answers() -> None:
    one, other = walked(), walked(judge=ENDPOINT)
    answers = [id_ for id_ in one.keys if "/evaluate/" in id_]
    assert [one.keys[id_] for id_ in answers] == [other.keys[id_] for id_ in answers]
    assert one.keys["i1/judge/wins-raw"] != other.keys["i1/judge/wins-raw"]
