"""The sentence about data in another language than the one that is set."""

import pytest

from isheep.contract.language_mismatch import (
    FIRST_CHARACTER,
    is_english,
    language_mismatch,
    mismatch_of_drops,
)
from isheep_worker.rules import first_character


def test_the_name_is_that_of_the_rule() -> None:
    assert first_character.FIRST_CHARACTER.name == FIRST_CHARACTER


@pytest.mark.parametrize(
    ("language", "english"), [("en", True), ("en-GB", True), ("EN", True), ("eo", False)]
)
def test_english_is_known_by_its_tag(language: str, english: bool) -> None:
    assert is_english(language) is english


def test_the_sentence_has_the_counts_and_the_setting() -> None:
    assert language_mismatch(982, 1000, "--language", exact=True) == (
        "982 of 1,000 instructions are not ASCII: if they are not in English, set --language to "
        "their language"
    )
    found = language_mismatch(1982, 2000, "language")
    assert found is not None
    assert found.startswith("1,982 of 2,000 instructions are not ASCII or begin with punctuation:")


@pytest.mark.parametrize(("dropped", "instructions"), [(0, 0), (0, 10), (5, 10)])
def test_there_is_no_sentence_for_at_most_half(dropped: int, instructions: int) -> None:
    assert language_mismatch(dropped, instructions, "language") is None


def test_only_drops_of_parsed_and_checked_instructions_count() -> None:
    drops = {"first-character": 60, "rouge-l": 9, "parse-cut": 900, "surplus": 900}
    found = mismatch_of_drops(drops, 31, "language")
    assert found is not None
    assert found.startswith("60 of 100 instructions")
    assert mismatch_of_drops({"length": 99}, 1, "language") is None
