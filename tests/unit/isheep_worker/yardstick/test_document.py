"""The verdict document: paired by task, with the number of tasks, an interval and the alarms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from isheep.contract.choices import GUARD_RULE_NAMES, PromptFormat
from isheep_worker.collapse.row_set import CollapseRow
from isheep_worker.controls.drift import AnchorLook
from isheep_worker.guards.registry import GUARD_RULES
from isheep_worker.rows.schema import GradeRow, LevelScore, ScoreRow
from isheep_worker.yardstick.benchmarks import BenchmarkSeries
from isheep_worker.yardstick.document import newest_alarms, newest_difference, verdict_document
from isheep_worker.yardstick.grade_section import GradedAnswers
from isheep_worker.yardstick.source import DataSet

from .evaluations import pairs, rows, source


def figure(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    (found,) = [one["models"] for one in document["figures"] if one["name"] == name]
    models: list[dict[str, Any]] = found
    return models


def test_each_model_is_compared_with_the_base_on_the_same_tasks() -> None:
    document = verdict_document(source(rows(60), rows(60, worse_by=0.1), rows(60)))
    json.dumps(document)
    base, worse, same = figure(document, "answerLoss")
    assert (base["t"], base["items"], base["from_base"]) == (0, 60, None)
    change = worse["from_base"]
    assert change["difference"] == pytest.approx(0.2)
    assert 0.17 < change["lower"] < 0.2 < change["upper"] < 0.23
    assert (change["change"], change["items"]) == ("Higher", 60)
    assert same["from_base"]["verdict"] == "no significant difference"


def test_shares_are_compared_as_shares() -> None:
    document = verdict_document(source(rows(60), rows(60, cut=20)))
    _, cut = figure(document, "answerCutShare")
    assert cut["from_base"]["difference"] == pytest.approx(1 / 3)
    assert cut["from_base"]["change"] == "Higher"


def test_a_task_that_one_model_has_no_loss_for_is_left_out() -> None:
    without = [replace(row, loss=None) if n < 5 else row for n, row in enumerate(rows(60))]
    document = verdict_document(source(without, rows(60)))
    base, model = figure(document, "answerLoss")
    assert (base["items"], model["items"], model["from_base"]["items"]) == (55, 60, 55)
    assert model["from_base"]["difference"] == 0


def test_below_thirty_tasks_there_is_no_interval_and_no_alarm() -> None:
    document = verdict_document(source(rows(24), rows(24, worse_by=5)))
    change = figure(document, "answerLoss")[1]["from_base"]
    assert (change["lower"], change["upper"], change["p"]) == (None, None, None)
    assert change["verdict"] == "too few items (24)"
    assert newest_difference(document) == change
    assert document["alarms"] == []


def test_the_same_rows_give_the_same_bytes() -> None:
    def text() -> str:
        return json.dumps(verdict_document(source(rows(60), rows(60, worse_by=0.1), data=90)))

    assert text() == text()


def test_without_any_loss_there_is_no_difference() -> None:
    without = [replace(row, loss=None) for row in rows(3)]
    document = verdict_document(source(without, without))
    assert newest_difference(document) is None
    assert figure(document, "answerLoss")[0]["mean"] is None


def test_the_figures_of_the_data_have_intervals_over_their_clusters() -> None:
    document = verdict_document(source(rows(40), rows(40), data=90))
    figures = {one["name"]: one["iterations"][0] for one in document["data"]}
    words = figures["responseWords"]
    assert words["lower"] is None  # all responses are equally long
    spread = figures["scoreSpread"]
    assert spread["lower"] < spread["value"] < spread["upper"]
    few = verdict_document(source(rows(40), rows(40), data=28))["data"]
    assert all(one["iterations"][0]["lower"] is None for one in few)


def test_the_overlap_of_the_data_with_the_seed_tasks_of_the_yardstick() -> None:
    plain = source(rows(40), rows(40), data=90)
    assert "yardstick_overlap" not in verdict_document(plain)
    answer = next(iter(plain.data[1].rows())).response
    found = verdict_document(replace(plain, yardstick_texts=[answer]))["yardstick_overlap"]
    (first,) = found["iterations"]
    assert found["ngram"] == 13
    assert (first["t"], first["pairs"], first["instructions"]) == (1, 45, 0)
    assert first["responses"] >= 1


@pytest.mark.parametrize(("shift", "alarmed"), [(2.5, True), (0.5, False)])
def test_an_assessor_that_becomes_lenient_is_an_alarm(shift: float, alarmed: bool) -> None:
    def scores(rise: float) -> list[ScoreRow]:
        levels = [{"Quality": LevelScore(3.0 + n % 5 + rise)} for n in range(60)]
        return [ScoreRow(f"p{n}", None, level) for n, level in enumerate(levels)]

    # The first assessor has another prompt format, so M(1) is the first that others equal.
    anchors = [
        AnchorLook(1, "Raw", scores(0)),
        AnchorLook(2, "Chat", scores(3)),
        AnchorLook(3, "Chat", scores(3 + shift)),
    ]
    plain = source(*[rows(60)] * 4, data=90)
    found = verdict_document(replace(plain, anchors=anchors))["alarms"]
    assert [one["rule"] for one in found] == ["LenientAssessor"] * alarmed
    assert all(one["iteration"] == 3 for one in found)
    assert verdict_document(plain)["alarms"] == []


def test_a_collapse_of_the_answers_is_an_alarm_of_the_newest_model() -> None:
    document = verdict_document(source(rows(60), rows(60), rows(60, loop=60)))
    assert "Repetition" in newest_alarms(document)
    assert all(alarm["iteration"] == 2 for alarm in document["alarms"])
    (sentence,) = [one["sentence"] for one in document["alarms"] if one["rule"] == "Repetition"]
    assert "60 items" in sentence
    recovered = verdict_document(source(rows(60), rows(60, loop=60), rows(60)))
    assert newest_alarms(recovered) == []
    assert recovered["alarms"]


def test_the_training_sets_have_figures_on_equal_numbers_of_rows() -> None:
    document = verdict_document(source(rows(60), rows(60), rows(60), data=80))
    assert document["data"]
    for one in document["data"]:
        items = {value["items"] for value in one["iterations"] if value["value"] is not None}
        assert [value["t"] for value in one["iterations"]] == [1, 2], one["name"]
        assert len(items) == 1, one["name"]
    assert newest_alarms(document) == []
    assert verdict_document(source(rows(60), rows(60)))["data"] == []


def test_a_small_training_set_hides_no_alarm_about_the_others() -> None:
    def saturated(t: int) -> list[CollapseRow]:
        return [replace(row, scores={"Quality": 10.0}) for row in pairs(t, 120)]

    def alarmed(*sets: Sequence[CollapseRow]) -> list[tuple[str, int]]:
        data = {t: DataSet(partial(iter, some), "Chat") for t, some in enumerate(sets, start=1)}
        document = verdict_document(replace(source(*[rows(60)] * 5), data=data))
        return [(one["rule"], one["iteration"]) for one in document["alarms"]]

    first, second = pairs(1, 120), saturated(2)
    expected = [("TopScores", 2), ("EqualScores", 2)]
    assert alarmed(first, second) == expected
    assert alarmed(first, second, pairs(3, 6)) == expected
    assert alarmed(first, second, []) == expected
    assert alarmed(pairs(1, 6), pairs(2, 120), saturated(3)) == [
        ("TopScores", 3),
        ("EqualScores", 3),
    ]


def test_the_names_of_the_guards_are_those_of_the_contract_in_their_order() -> None:
    assert tuple(GUARD_RULES) == GUARD_RULE_NAMES


def test_grades_are_corrected_together_with_benchmarks() -> None:
    values = {f"q{number}": float(number % 2) for number in range(40)}
    series = BenchmarkSeries(
        name="quiz",
        role="Test",
        metric="acc",
        filter="none",
        higher_is_better=True,
        primary=True,
        prompt_format="Chat",
        values={0: dict.fromkeys(values, 0.0), 1: values},
    )
    sources: tuple[PromptFormat | None, ...] = (None, "Chat")
    grades = [
        GradeRow(f"q{n}", turn, of, 5 + n % 3 - (n % 4 == 0) * (of is None), 9)
        for of in sources
        for n in range(40)
        for turn in (1, 2)
    ]
    asked = replace(
        source(rows(30), rows(30), data=30),
        benchmarks=[series],
        graded=[GradedAnswers("bench", 1, ("Chat",), grades)],
    )
    document = json.loads(json.dumps(verdict_document(asked)))
    quiz, bench = document["benchmarks"][0]["best"], document["grades"][0]["best"]
    smaller, larger = sorted((quiz, bench), key=lambda one: float(one["p"]))
    assert smaller["corrected_p"] == pytest.approx(2 * smaller["p"])
    assert larger["corrected_p"] == pytest.approx(max(larger["p"], smaller["corrected_p"]))
    assert "grades" not in verdict_document(replace(asked, graded=()))


def test_benchmarks_are_compared_without_a_yardstick() -> None:
    values = {f"q{number}": float(number % 2) for number in range(40)}
    series = BenchmarkSeries(
        name="quiz",
        role="Test",
        metric="acc",
        filter="none",
        higher_is_better=True,
        primary=True,
        prompt_format="Chat",
        values={0: dict.fromkeys(values, 0.0), 1: values},
    )
    asked = replace(source(rows(30), rows(30), data=30), evaluations={}, benchmarks=[series])
    document = json.loads(json.dumps(verdict_document(asked)))
    assert document["figures"] == []
    assert document["benchmarks"][0]["best"]["conclusion"] == "better"
    assert newest_difference(document) is None
    assert newest_alarms(document) == []
    assert "benchmarks" not in verdict_document(source(rows(30), rows(30)))
