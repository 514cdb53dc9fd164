"""The plain form of a text, in which texts are compared."""

import re
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.contract.invisible_characters import INVISIBLE, is_invisible
from isheep_worker.text import comparison
from isheep_worker.text.comparison import comparable, visible


@given(st.text(st.sampled_from(string.printable)))
def test_an_ascii_text_is_its_own_plain_form(text: str) -> None:
    assert comparable(text) == text
    assert visible(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name a\u200b small\u2060 bi\u00adrd\ufeff", "Name a small bird"),
        ("cafe\u0301", "caf\u00e9"),
        ("Ｎａｍｅ　ｔｗｏ：１２？", "Name two:12?"),
        ("\U0001d40d\U0001d41a\U0001d426\U0001d41e", "Name"),
        ("\ufb01sh", "fish"),
        ("مَرْحَبًا", "مرحبا"),
        ("مـــرحبا", "مرحبا"),
        ("\ufedf\ufee0\ufc60", "لل"),  # presentation forms, one of them with vowel marks
        ("שָׁלוֹם", "שלום"),
        ("می\u200cخواهم", "میخواهم"),
        ("क्\u200dष", "क्ष"),
        ("हिन्दी में", "हिन्दी में"),
        ("เขียนใหม่", "เขียนใหม่"),
        ("أكل", "أكل"),
        ("í é — “wren”", "í é — “wren”"),
        ("空，蓝", "空,蓝"),
    ],
)
def test_texts_that_look_the_same_have_one_plain_form(text: str, expected: str) -> None:
    assert comparable(text) == expected
    assert comparable(expected) == expected


def test_characters_with_another_meaning_stay_different() -> None:
    different = ["कि", "की", "क", "น้ำ", "นำ", "é", "e", "أ", "ا", "й", "и", "が", "か"]
    assert len({comparable(text) for text in different}) == len(different)


EVERYTHING = "".join(map(chr, range(0x110000)))
INVISIBLES = re.findall(f"[{INVISIBLE}]", EVERYTHING)


def test_no_invisible_character_changes_the_plain_form_or_is_visible() -> None:
    for character in INVISIBLES:
        assert comparable(f"bi{character}rd") == "bird"
        assert visible(f" {character}\n{character}") == ""
    assert not set(comparable(EVERYTHING)) & set(INVISIBLES)


@pytest.mark.parametrize("text", ["\u200b", " \u00ad\ufeff\n", "\u2060 \u3164", "\u2800", "\u200d"])
def test_a_text_without_a_visible_character_is_empty(text: str) -> None:
    assert visible(text) == ""


def test_a_visible_character_is_not_removed() -> None:
    assert visible(" \u200bé👍\u200d ") == "é👍"


def test_the_fast_path_changes_nothing() -> None:
    """Each of its characters is in NFKC, alone and after a letter, and orders no mark."""
    for code in range(0x10000):
        character = chr(code)
        if comparison._PLAIN.fullmatch(character):
            assert unicodedata.ucd_3_2_0.normalize("NFKC", f"a{character}") == f"a{character}"
            assert unicodedata.combining(character) == 0
            assert not is_invisible(character)


@given(st.text())
def test_the_plain_form_of_a_plain_form_is_itself(text: str) -> None:
    assert comparable(comparable(text)) == comparable(text)


# Not a benchmark: quadratic code would take hours, which the usual timeout ends.
@pytest.mark.parametrize(
    "unit", ["\u0301\u0323", "\uff9e\u0301", "e\u0301\u0323", "\u0345\u0301\u0338", "\u200b", "漢a"]
)
def test_a_hostile_text_of_a_million_characters_is_read_in_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    comparable(text)
    visible(text)
