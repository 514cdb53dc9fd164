"""The section on judgements: the better format of M(0) decides, with Holm, and no bare figure."""

from __future__ import annotations

import json

import pytest

from isheep.contract.choices import PromptFormat
from isheep_worker.rows.schema import PreferenceRow
from isheep_worker.yardstick.judgement_section import (
    JudgedAnswers,
    best_p_values,
    conclude,
    decisive_model,
    judgement_section,
)


def judged(
    wins: int, t: int = 1, base_format: PromptFormat | None = "Chat", name: str = "wins"
) -> JudgedAnswers:
    rows = [
        PreferenceRow(f"q{n}", float(n < wins), float(n < wins), 90 + n % 5, 90) for n in range(60)
    ]
    return JudgedAnswers(name, t, base_format, rows)


def test_a_model_that_only_learned_the_format_is_not_better() -> None:
    (found,) = judgement_section([judged(58), judged(31, base_format="Raw")], seed=0)
    json.dumps(found)
    assert [(one["base_format"], one["rate"]) for one in found["models"]] == [
        ("Chat", pytest.approx(58 / 60)),
        ("Raw", pytest.approx(31 / 60)),
    ]
    decisive = decisive_model(found, 1)
    assert decisive is not None
    assert decisive["base_format"] == "Raw"
    conclude([found], 1, [])
    assert found["best"]["conclusion"] == "no significant difference"


def test_a_model_that_wins_in_both_formats_is_better_and_one_that_loses_is_worse() -> None:
    (better,) = judgement_section([judged(55), judged(50, base_format="Raw")], seed=0)
    (worse,) = judgement_section([judged(10)], seed=0)
    for found, conclusion in ((better, "better"), (worse, "worse")):
        conclude([found], 1, [])
        assert found["best"]["conclusion"] == conclusion
    assert better["models"][1]["lower"] > 0.5 > worse["models"][0]["upper"]


def test_the_conclusion_is_corrected_together_with_benchmarks() -> None:
    (found,) = judgement_section([judged(40)], seed=0)
    (p,) = best_p_values([found], 1).values()
    assert 0.005 < p < 0.05
    conclude([found], 1, [])
    assert found["best"]["conclusion"] == "better"
    conclude([found], 1, [0.5] * 9)
    assert found["best"]["corrected_p"] == pytest.approx(10 * p)
    assert found["best"]["conclusion"] == "no significant difference"


def test_unreadable_judgements_in_one_format_leave_no_conclusion() -> None:
    unread = [PreferenceRow(f"q{n}", None, 1.0, 1, 1, "no-verdict") for n in range(60)]
    bad = JudgedAnswers("wins", 1, "Raw", unread)
    (found,) = judgement_section([judged(58), bad], seed=0)
    assert (found["models"][1]["rate"], found["models"][1]["unreadable"]["first"]) == (None, 60)
    assert "60 of 60 questions" in found["models"][1]["problem"]
    assert decisive_model(found, 1) is None
    conclude([found], 1, [])
    assert found["best"] is None


def test_answers_of_the_user_and_other_models_get_no_conclusion_about_m0() -> None:
    found = judgement_section(
        [judged(58, base_format=None), judged(50, name="b"), judged(20, t=2, name="b")], seed=0
    )
    assert [(one["name"], one["against"]) for one in found] == [("wins", "Outputs"), ("b", "Base")]
    conclude(found, 2, [])
    assert found[0]["best"] is None
    assert found[1]["best"]["conclusion"] == "worse"
