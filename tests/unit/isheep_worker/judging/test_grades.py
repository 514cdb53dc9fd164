"""Mean grades: by turn and category, paired with M(0), with whole questions as clusters."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from isheep.contract.choices import PromptFormat
from isheep_worker.judging.grades import GradeFigure, Grades, grades
from isheep_worker.rows.schema import GRADES, GradeRow

Grade = Callable[[int, int], int | None]
"""Returns the grade of a turn of the question with a number."""


def rows(
    questions: int, model: Grade, base: Grade, turns: int = 2, categories: int = 2
) -> Iterator[GradeRow]:
    sources: list[tuple[PromptFormat | None, Grade]] = [(None, model), ("Chat", base)]
    for base_format, grade in sources:
        for n in range(questions):
            for turn in range(1, turns + 1):
                category = f"c{n % categories}" if categories else ""
                yield GradeRow(f"q{n}", turn, base_format, grade(n, turn), 5, category)


def figure(found: Grades, turn: int | None = None, category: str = "") -> GradeFigure:
    (only,) = [one for one in found.figures if (one.turn, one.category) == (turn, category)]
    return only


def test_a_decline_on_the_second_turns_is_seen_there() -> None:
    draw = random.Random(0)
    noise = {(n, turn): draw.choice((-1, 0, 0, 1)) for n in range(80) for turn in (1, 2)}
    found = grades(
        rows(80, lambda n, turn: (7 if turn == 1 else 3) + noise[n, turn], lambda n, turn: 7),
        "Chat",
        seed=0,
    )
    first, second = figure(found, 1), figure(found, 2)
    assert first.comparison is not None
    assert first.comparison.change == "NotSignificant"
    assert second.comparison is not None
    assert second.comparison.change == "Lower"
    assert second.comparison.after == pytest.approx(3, abs=0.3)
    both = figure(found)
    assert (both.questions, both.comparison and both.comparison.items) == (80, 160)
    assert both.comparison is not None
    assert both.comparison.difference == pytest.approx(
        (first.comparison.difference + second.comparison.difference) / 2
    )
    assert [(one.turn, one.category) for one in found.figures] == [
        *((None, ""), (1, ""), (2, "")),
        *((None, "c0"), (None, "c1")),
    ]
    assert figure(found, category="c0").questions == 40


def test_the_turns_of_a_question_are_one_cluster() -> None:
    """Two turns that always agree have the interval of one turn, and no narrower one."""
    draw = random.Random(1)
    grade = {n: draw.randint(1, 10) for n in range(60)}
    double = figure(grades(rows(60, lambda n, _: grade[n], lambda *_: 5), "Chat", 0))
    single = figure(grades(rows(60, lambda n, _: grade[n], lambda *_: 5, turns=1), "Chat", 0))
    assert double.comparison is not None
    assert single.comparison is not None
    assert double.comparison.clusters == single.comparison.clusters == 60
    assert double.comparison.interval == single.comparison.interval


def test_below_30_questions_there_is_no_conclusion() -> None:
    found = figure(grades(rows(29, lambda *_: 9, lambda *_: 2), "Chat", 0))
    assert found.comparison is not None
    assert (found.comparison.interval, found.comparison.p) == (None, None)
    assert found.comparison.verdict == "too few items (58 in 29 clusters)"


def test_equal_differences_have_an_interval_with_a_width() -> None:
    found = figure(grades(rows(40, lambda *_: 1, lambda *_: 1), "Chat", 0)).comparison
    assert found is not None
    assert found.interval is not None
    assert found.interval.low < 0 < found.interval.high
    better = figure(grades(rows(80, lambda *_: 5, lambda *_: 4), "Chat", 0)).comparison
    assert better is not None
    assert better.interval is not None
    assert 0 < better.interval.low < 1 < better.interval.high
    assert better.change == "Higher"
    # The turns differ from each other, and no question from another one.
    model = figure(grades(rows(80, lambda _, turn: 9 - 3 * turn, lambda *_: 8), "Chat", 0))
    assert model.comparison is not None
    assert model.comparison.difference == -3.5
    assert model.comparison.interval is not None
    assert model.comparison.interval.low < -3.5 < model.comparison.interval.high < 0


@pytest.mark.parametrize("side", ["model", "base"])
def test_too_many_unreadable_grades_of_a_turn_leave_no_figure_with_this_turn(side: str) -> None:
    def unread(n: int, turn: int) -> int | None:
        return None if turn == 2 and n < 5 else 6

    model, base = (unread, lambda *_: 5) if side == "model" else (lambda *_: 5, unread)
    found = grades(rows(80, model, base), "Chat", 0)
    assert [(one.turn, one.model, one.base) for one in found.turns] == [
        (1, 0, 0),
        (2, 5 * (side == "model"), 5 * (side == "base")),
    ]
    assert figure(found, 1).comparison is not None
    for one in (figure(found), figure(found, 2), figure(found, category="c0")):
        assert one.comparison is None
        assert one.problem is not None
        assert "grades of turn 2 cannot be read for" in one.problem


def test_a_few_unreadable_grades_leave_out_their_question() -> None:
    def some(n: int, turn: int) -> int | None:
        return None if (n, turn) == (0, 2) else 6

    found = grades(rows(80, some, lambda *_: 5), "Chat", 0)
    assert (figure(found).questions, figure(found, 1).questions) == (79, 80)
    assert figure(found, 2).questions == 79
    both = figure(found).comparison
    assert both is not None
    assert both.items == 158


def test_questions_with_one_turn_have_no_rows_by_turn() -> None:
    found = grades(rows(40, lambda *_: 5, lambda *_: 4, turns=1, categories=0), "Chat", 0)
    assert [(one.turn, one.category) for one in found.figures] == [(None, "")]


def test_second_turns_of_some_questions_are_a_figure_of_these_questions() -> None:
    mixed = [
        *rows(40, lambda *_: 5, lambda *_: 4),
        *(
            GradeRow(f"single{n}", 1, base_format, 5, 5)
            for n in range(10)
            for base_format in (None, "Chat")
        ),
    ]
    found = grades(mixed, "Chat", 0)
    assert [figure(found, turn).questions for turn in (None, 1, 2)] == [50, 50, 40]
    assert [one.questions for one in found.turns] == [50, 40]


def test_only_the_wanted_format_of_m0_counts_and_rows_can_be_stored() -> None:
    raw = GradeRow("q0", 1, "Raw", 1, 9, raw="Grade: 1")
    found = grades([*rows(40, lambda *_: 5, lambda *_: 4), raw], "Chat", 0)
    assert figure(found).comparison is not None
    assert figure(found).comparison.before == 4  # type: ignore[union-attr]
    assert GRADES.decode(GRADES.encode(raw)) == raw


def test_without_rows_there_is_no_figure() -> None:
    assert figure(grades([], "Chat", 0)).problem == "there are no grades"
