"""The verdict document: paired by task, with the number of tasks, an interval and the alarms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from isheep.contract.choices import GUARD_RULE_NAMES
from isheep_worker.guards.registry import GUARD_RULES
from isheep_worker.yardstick.benchmarks import BenchmarkSeries
from isheep_worker.yardstick.document import newest_alarms, newest_difference, verdict_document

from .evaluations import rows, source


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


def test_the_names_of_the_guards_are_those_of_the_contract_in_their_order() -> None:
    assert tuple(GUARD_RULES) == GUARD_RULE_NAMES


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
