"""Spelled texts have the LCS of their word numbers."""

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq

from isheep_worker.text.spelling import spelling

NUMBERS = st.lists(st.integers(0, 6), max_size=8)


@given(NUMBERS, NUMBERS)
def test_both_forms_have_the_same_lcs(one: list[int], other: list[int]) -> None:
    expected = LCSseq.similarity(one, other)
    assert LCSseq.similarity(spelling(one), spelling(other)) == expected
    with patch("isheep_worker.text.spelling._LAST_CHARACTER", 3):
        assert LCSseq.similarity(spelling(one), spelling(other)) == expected


def test_the_form_is_a_text_while_the_numbers_are_characters() -> None:
    assert spelling([0, 65, 0x10FFFF]) == "\x00A\U0010ffff"
    assert spelling([0, 0x110000]) == (0, 0x110000)
    assert spelling([]) == ""
