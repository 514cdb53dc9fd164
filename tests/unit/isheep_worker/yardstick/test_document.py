"""The verdict document: paired by task, with the number of tasks and an interval."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from isheep_worker.yardstick.document import newest_difference, verdict_document
from isheep_worker.yardstick.figures import FIGURES, repetition

from .evaluations import rows


def figure(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    (found,) = [one["models"] for one in document["figures"] if one["name"] == name]
    models: list[dict[str, Any]] = found
    return models


def test_each_model_is_compared_with_the_base_on_the_same_tasks() -> None:
    document = verdict_document({0: rows(60), 1: rows(60, worse_by=0.1), 2: rows(60)}, 0)
    json.dumps(document)
    base, worse, same = figure(document, "loss")
    assert (base["t"], base["items"], base["from_base"]) == (0, 60, None)
    change = worse["from_base"]
    assert change["difference"] == pytest.approx(0.2)
    assert 0.17 < change["lower"] < 0.2 < change["upper"] < 0.23
    assert (change["change"], change["items"]) == ("Higher", 60)
    assert same["from_base"]["verdict"] == "no significant difference"


def test_shares_are_compared_as_shares() -> None:
    document = verdict_document({0: rows(60), 1: rows(60, cut=20)}, 0)
    _, cut = figure(document, "cut")
    assert cut["from_base"]["difference"] == pytest.approx(1 / 3)
    assert cut["from_base"]["change"] == "Higher"


def test_a_task_that_one_model_has_no_loss_for_is_left_out() -> None:
    without = [replace(row, loss=None) if n < 5 else row for n, row in enumerate(rows(60))]
    document = verdict_document({0: without, 1: rows(60)}, 0)
    base, model = figure(document, "loss")
    assert (base["items"], model["items"], model["from_base"]["items"]) == (55, 60, 55)
    assert model["from_base"]["difference"] == 0


def test_below_thirty_tasks_there_is_no_interval() -> None:
    document = verdict_document({0: rows(24), 1: rows(24, worse_by=5)}, 0)
    change = figure(document, "loss")[1]["from_base"]
    assert (change["lower"], change["upper"], change["p"]) == (None, None, None)
    assert change["verdict"] == "too few items (24)"
    assert newest_difference(document) == change


def test_the_same_rows_give_the_same_bytes() -> None:
    def text() -> str:
        return json.dumps(verdict_document({0: rows(60), 1: rows(60, worse_by=0.1)}, 0))

    assert text() == text()


def test_without_any_loss_there_is_no_difference() -> None:
    without = [replace(row, loss=None) for row in rows(3)]
    document = verdict_document({0: without, 1: without}, 0)
    assert newest_difference(document) is None
    assert figure(document, "loss")[0]["mean"] is None


@pytest.mark.parametrize(
    ("text", "share"),
    [("", 0), ("a b c", 0), ("a b c d", 0), ("a b c d a b c d", 1 / 5), ("a " * 103, 0.99)],
)
def test_repetition_is_the_share_of_repeated_four_grams(text: str, share: float) -> None:
    assert repetition(text) == pytest.approx(share)


def test_the_first_figure_is_the_loss() -> None:
    assert FIGURES[0].name == "loss"
