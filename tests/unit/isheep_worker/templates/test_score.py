"""The parser of an assessor's answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.templates.score import ParsedScore, parse_score


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("8||good", 8),
        (" 10||", 10),
        ("\n1", 1),
        ("8/10 because", 8),
        ("7.4||", 7),
        ("7.5||", 8),
        ("8.5||rounded up, not to even", 9),
        ("10.4||", 10),
        ("0.5||", 1),
        ("+3", 3),
        ("3. The response", 3),
    ],
)
def test_a_leading_number_is_the_score(answer: str, score: int):
    assert parse_score(answer) == ParsedScore(score)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("good", "no-number"),
        ("||8", "no-number"),
        ("Score: 8", "no-number"),
        ("٨||", "no-number"),
        ("0||", "out-of-range"),
        ("-3||", "out-of-range"),
        ("10.5||", "out-of-range"),
        ("100||", "out-of-range"),
        ("9" * 400, "out-of-range"),
    ],
)
def test_another_answer_has_a_kind_of_failure(answer: str, failure: str):
    assert parse_score(answer) == ParsedScore(None, failure)


@given(st.text())
def test_every_text_has_a_score_or_a_failure(answer: str):
    parsed = parse_score(answer)
    assert (parsed.score is None) != (parsed.failure is None)
    assert parsed.score is None or 1 <= parsed.score <= 10
