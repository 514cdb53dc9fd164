"""The grade in a judge's answer: the forms that are read, and those that are not guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.judging.read_grades import ReadGrade, read_grade


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("Clear and short.\n\nGrade: 7", 7),
        ("Grade: 10", 10),
        ("**Grade:** 3", 3),
        ("**Grade: 8/10**", 8),
        ("Grade: 6 out of 10.", 6),
        ("Grade: 8 / 10.0", 8),
        ("My grade is 4", 4),
        ("Final Grade - 9\n", 9),
        ("Rating: [[5]]", 5),
        ("Overall score: (2)", 2),
        ("grade: 7.5", 8),
        ("grade: 8.5", 8),
        ("Grade: N is the form.\nGrade: 5", 5),
        ("Grade: 9\nOn reflection it is worse.\nGrade: 2", 2),
        ("<think>Grade: 1</think>Fine.\nGrade: 6", 6),
        ("Grade: 4\nThat is all.", 4),
        ("Gra\u200bde:\u00a04\u200d", 4),
    ],
)
def test_the_last_line_with_a_label_has_the_grade(text: str, grade: int) -> None:
    assert read_grade(text) == ReadGrade(grade)


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("Both are fine, 7 of 10.", "no-grade"),
        ("I grade 7 answers a day.", "no-grade"),
        ("<think>Grade: 7", "no-grade"),
        ("Grade: seven", "ambiguous"),
        ("Grade: N", "ambiguous"),
        ("Grade: 7 or 8", "ambiguous"),
        ("Grade: 7-8", "ambiguous"),
        ("Grade: 70%", "ambiguous"),
        ("Grade: 4/5", "ambiguous"),
        ("Grade: -3", "ambiguous"),
        ("Grade: 0", "out-of-range"),
        ("Grade: 11", "out-of-range"),
        ("Grade: 9\nGrade: none", "ambiguous"),
    ],
)
def test_everything_else_is_counted_and_not_guessed(text: str, failure: str) -> None:
    assert read_grade(text) == ReadGrade(None, failure)  # type: ignore[arg-type]


def test_a_grade_at_the_end_of_a_cut_answer_may_lack_a_digit() -> None:
    assert read_grade("Good.\nGrade: 1", complete=False) == ReadGrade(None, "ambiguous")
    assert read_grade("Good.\nGrade: 1\n", complete=False) == ReadGrade(1)
    assert read_grade("Good.\nGrade: 1\nBecause it", complete=False) == ReadGrade(1)


@given(st.text())
def test_any_text_has_a_grade_in_the_scale_or_a_failure(text: str) -> None:
    found = read_grade(text)
    assert (found.grade is None) != (found.failure is None)
    assert found.grade is None or 1 <= found.grade <= 10


def test_a_long_hostile_text_takes_linear_time() -> None:
    assert read_grade("Grade: " + "*" * 200_000).failure == "ambiguous"
    assert read_grade(("*" * 50 + "\n") * 50_000).failure == "no-grade"
