"""The section on grades: the better format of M(0) decides, with Holm, and turn 2 has its row."""

from __future__ import annotations

import json

import pytest

from isheep.contract.choices import PromptFormat
from isheep_worker.rows.schema import GradeRow
from isheep_worker.yardstick.grade_section import GradedAnswers, decisive_grades, grade_section
from isheep_worker.yardstick.judgement_section import best_p_values, conclude


def graded(
    model: tuple[int, int], t: int = 1, name: str = "bench", **bases: tuple[int, int]
) -> GradedAnswers:
    """Return grades of 60 questions: a mean for each turn of M(t), and of M(0) by format."""
    formats: dict[PromptFormat | None, tuple[int, int]] = {None: model, **bases}  # type: ignore[dict-item]
    rows = [
        GradeRow(
            f"q{n}", turn + 1, base_format, means[turn] + (n % 3 - 1) * (base_format is None), 9
        )
        for base_format, means in formats.items()
        for n in range(60)
        for turn in (0, 1)
    ]
    return GradedAnswers(name, t, tuple(bases), rows)  # type: ignore[arg-type]


def test_the_second_turn_has_a_row_of_its_own() -> None:
    (found,) = grade_section([graded((7, 3), Chat=(7, 7))], seed=0)
    json.dumps(found)
    (model,) = found["models"]
    assert [(row["turn"], row["verdict"]) for row in model["rows"]] == [
        (None, "significantly lower"),
        (1, "no significant difference"),
        (2, "significantly lower"),
    ]
    decisive = decisive_grades(found, 1)
    assert decisive is not None
    assert (decisive["mean"], decisive["questions"]) == (5, 60)
    assert (decisive["second"]["mean"], decisive["second"]["difference"]) == (3, -4)


def test_a_model_that_only_learned_the_format_is_not_better() -> None:
    (found,) = grade_section([graded((6, 6), Chat=(2, 2), Raw=(6, 6))], seed=0)
    assert [one["base_format"] for one in found["models"]] == ["Chat", "Raw"]
    decisive = decisive_grades(found, 1)
    assert decisive is not None
    assert decisive["base_mean"] == 6
    conclude([found], 1, [], decisive_grades)
    assert found["best"]["conclusion"] == "no significant difference"


def test_the_conclusion_is_corrected_together_with_other_comparisons() -> None:
    (found,) = grade_section([graded((7, 7), Chat=(4, 4))], seed=0)
    (p,) = best_p_values([found], 1, decisive_grades).values()
    conclude([found], 1, [0.5, 0.9], decisive_grades)
    assert found["best"]["corrected_p"] == pytest.approx(3 * p)
    assert found["best"]["conclusion"] == "better"
    conclude([found], 1, [p / 2] * 999, decisive_grades)
    assert found["best"]["corrected_p"] >= found["best"]["p"]


def test_unreadable_grades_in_one_format_leave_no_conclusion() -> None:
    one = graded((7, 7), Chat=(4, 4), Raw=(4, 4))
    rows = [
        GradeRow(row.id, row.turn, row.base_format, None, 1, failure="no-grade")
        if row.base_format == "Raw" and row.turn == 2
        else row
        for row in one.rows
    ]
    (found,) = grade_section([GradedAnswers("bench", 1, ("Chat", "Raw"), rows)], seed=0)
    assert decisive_grades(found, 1) is None
    assert found["models"][1]["unreadable"][1] == {
        "turn": 2,
        "questions": 60,
        "model": 0,
        "base": 60,
    }
    assert "60 of M(0)" in found["models"][1]["rows"][0]["problem"]
    conclude([found], 1, [], decisive_grades)
    assert found["best"] is None


def test_each_judgement_and_each_model_has_its_place() -> None:
    found = grade_section(
        [
            graded((7, 7), Chat=(4, 4)),
            graded((2, 2), t=2, Chat=(4, 4)),
            graded((5, 5), name="b", Raw=(5, 5)),
        ],
        seed=0,
    )
    assert [(one["name"], [m["t"] for m in one["models"]]) for one in found] == [
        ("bench", [1, 2]),
        ("b", [1]),
    ]
    assert decisive_grades(found[1], 2) is None
    conclude(found, 2, [], decisive_grades)
    assert found[0]["best"]["conclusion"] == "worse"
    assert found[1]["best"] is None
