"""No text shows a grade without its difference from M(0), its questions and an interval."""

from __future__ import annotations

from isheep.api.status import GradeRecord, SecondTurnRecord
from isheep.cli.figures.grade_text import grade_text


def test_the_text_shows_the_decline_of_the_second_turns() -> None:
    second = SecondTurnRecord(items=60, mean=3.48, difference=-4.12, lower=-4.6, upper=-3.6)
    found = GradeRecord(
        name="mt-bench",
        items=80,
        mean=5.5,
        difference=-0.1,
        lower=-0.5,
        upper=0.3,
        second_turn=second,
    )
    assert grade_text(4, found) == (
        "M(4): mean grade 5.50 on 80 questions of mt-bench, -0.10 from M(0) (95 % interval -0.50 "
        "to +0.30, no significant difference); second turns alone 3.48 on 60 questions, -4.12 from "
        "M(0) (95 % interval -4.60 to -3.60)"
    )


def test_few_questions_have_no_interval() -> None:
    second = SecondTurnRecord(items=9, mean=5.0, difference=-1.0)
    both = GradeRecord(name="x", items=40, mean=6.0, difference=0.0, lower=-1, upper=1)
    text = grade_text(1, both.model_copy(update={"second_turn": second}))
    assert text.endswith(
        "5.00 on 9 questions, -1.00 from M(0) (too few questions (9) for an interval)"
    )
    earlier = second.model_copy(update={"items": None})
    text = grade_text(1, both.model_copy(update={"second_turn": earlier}))
    assert text.endswith("alone 5.00, -1.00 from M(0) (too few questions (40) for an interval)")
    found = GradeRecord(name="mt-bench", items=12, mean=5.5, difference=0.25)
    assert grade_text(1, found) == (
        "M(1): mean grade 5.50 on 12 questions of mt-bench, +0.25 from M(0) (too few questions "
        "(12) for an interval)"
    )
