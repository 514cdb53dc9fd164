"""Reading a judge's verdict: the forms that judges write, and everything that is not one."""

from __future__ import annotations

import pytest

from isheep_worker.judging.verdicts import parse_verdict


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("A is complete, B is not.\nVerdict: A", "A"),
        ("Verdict: B\n", "B"),
        ("**Verdict: Tie**", "Tie"),
        ("### Verdict: **A**.", "A"),
        ("Verdict: [[B]]", "B"),
        ("Final verdict: Answer B", "B"),
        ("verdict - tie", "Tie"),
        ("My verdict is A.", "A"),
        ("I end with one of both.\nVerdict: A or B\nBoth work.\nVerdict: B", "B"),
        ("<think>\nVerdict: A\n</think>\nVerdict: B", "B"),
        ("> Verdict: \tTie", "Tie"),
        ("Verdict: A\r\n", "A"),
        ("\u200bVer\u00addict:\u2060 \ufff9B\ufeff", "B"),
    ],
)
def test_a_verdict_in_a_line_of_its_own_is_read(answer: str, verdict: str) -> None:
    assert parse_verdict(answer).verdict == verdict


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("\u200b\n\u3164\ufffb", "empty"),
        ("Answer A is better.", "no-verdict"),
        ("The verdict depends on taste.", "no-verdict"),
        ("Verdicts: A", "no-verdict"),
        ("Verdict: A or B", "ambiguous"),
        ("Verdict: neither", "ambiguous"),
        ("Verdict: A > B", "ambiguous"),
        ("Verdict: A\nVerdict: maybe", "ambiguous"),
        ("Verdict:", "ambiguous"),
        ("<think>\nVerdict: A", "no-verdict"),
    ],
)
def test_an_answer_without_one_clear_verdict_is_not_read(answer: str, failure: str) -> None:
    found = parse_verdict(answer)
    assert (found.verdict, found.failure) == (None, failure)


def test_a_verdict_at_the_cut_of_an_answer_may_be_the_beginning_of_a_longer_word() -> None:
    assert parse_verdict("Verdict: A", complete=False).failure == "ambiguous"
    assert parse_verdict("Verdict: A\nA knows mo", complete=False).verdict == "A"
    assert parse_verdict("Verdict: A\n", complete=False).verdict == "A"


def test_hostile_answers_take_linear_time() -> None:
    for text in ("*" * 200_000 + "x", "verdict " * 50_000, "Verdict:" + " " * 200_000 + "x"):
        assert parse_verdict(text).verdict is None
