"""The rule of the paper's scripts, the rounding, and the part of an answer that is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.templates.parsed_score import LOWEST, ParsedScore
from isheep_worker.templates.score import PARSERS, parse_score


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("8||good", 8),
        (" 10||", 10),
        ("\n1", 1),
        ("8/10 because", 8),
        ("7.4||", 7),
        ("7.5||", 8),
        ("8.5||rounded to even", 8),
        ("9.5||", 10),
        ("8.5000001||", 9),
        ("10.4||", 10),
        ("10.5||", 10),
        ("0.51||", 1),
        ("+3", 3),
        ("3. The response", 3),
        # What the rule reads although another reader would not.
        ("1. Quality: 9", 1),
        ("8-9", 8),
        ("9,5", 9),
        ("1e1", 1),
        ("10th percentile", 10),
    ],
)
def test_a_leading_number_is_the_strict_score(answer: str, score: int):
    assert parse_score(answer, "Strict") == ParsedScore(score)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("good", "no-number"),
        ("||8", "empty"),
        ("Score: 8", "no-number"),
        ("٨||", "no-number"),
        ("0||", "out-of-range"),
        ("-3||", "out-of-range"),
        ("0.5||", "out-of-range"),
        ("10.51||", "out-of-range"),
        ("100||", "out-of-range"),
        ("9" * 400, "out-of-range"),
    ],
)
def test_another_answer_has_a_kind_of_failure(answer: str, failure: str):
    assert parse_score(answer, "Strict") == ParsedScore(None, failure)


PIECES = ["||", "|", "8", "10", "9/10", "Score: ", "**", "[[", "]]", "\n", " ", "-", ".", "good"]
PIECES += ["<think>", "</think>", "Here is the score:\n\n", "｜｜", "\u200b"]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join)


@pytest.mark.parametrize("parsing", list(PARSERS))
@given(TEXTS)
def test_a_request_that_stops_at_the_separator_has_the_same_score(parsing, answer: str):
    """Engines remove the stop string and what follows, and report that the answer is complete."""
    whole = parse_score(answer, parsing)
    assert parse_score(answer.partition("||")[0], parsing) == whole
    if "||" in answer:
        assert parse_score(answer, parsing, complete=False) == whole
    assert (whole.score is None) != (whole.failure is None)
    assert whole.score is None or 1 <= whole.score <= 10


@given(st.decimals(min_value=0, max_value=12, places=3))
def test_a_score_is_rounded_as_python_rounds(number):
    expected = round(number)
    for parsing in PARSERS:
        assert parse_score(f"{number}||", parsing).score == (
            expected if LOWEST <= expected <= 10 else None
        )


def test_without_a_separator_the_whole_answer_is_read():
    answer = "`a || b` is shown. Score: 7"
    assert parse_score(answer, separator=None) == ParsedScore(7)
    assert parse_score(answer).score is None
