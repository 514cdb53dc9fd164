"""Invisible characters in the report: what a text needs stays, and all others are shown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.contract.invisible_characters import INVISIBLE
from isheep_worker.report.invisible_characters import show_invisible


@given(st.text())
def test_the_shown_text_has_no_control_characters(text):
    assert not any(ord(c) < 32 and c not in "\n\t" for c in show_invisible(text))


@pytest.mark.parametrize(
    "text",
    ["می\u200cخواهم", "क्\u200dष", "PDF\u200cها", "👩\u200d🚀", "❤\ufe0f\u200d🔥", "۲۰\u200cها"],
    ids=["Persian", "Hindi", "after a Latin word", "emoji", "emoji with a selector", "digits"],
)
def test_joiners_of_words_and_emoji_stay(text):
    assert show_invisible(text) == text


@pytest.mark.parametrize(
    "text",
    ["❤\ufe0f", "1\ufe0f\u20e3", "\u8fbb\U000e0100", "\u182e\u180b\u1823", "⠓\u2800⠊"],
    ids=["emoji", "keycap", "Han", "Mongolian", "Braille"],
)
def test_selectors_that_choose_the_form_of_a_character_stay(text):
    assert show_invisible(text) == text


HIDDEN = set(re.findall(f"[{INVISIBLE}]", "".join(map(chr, range(0x110000))))) - {"\u2800"}


def test_no_other_invisible_character_is_hidden_in_the_page():
    everything = "".join(f" {character}" for character in sorted(HIDDEN))
    assert not HIDDEN & set(show_invisible(everything, limit=len(everything)))
    # A text can be hidden in selectors after an emoji, or in tags.
    message = "".join(chr(0xE0100 + code - 16) for code in b"secret")
    assert show_invisible(f"👩{message}").count("‹U+E01") == len(message) - 1
    assert not HIDDEN & set(show_invisible("👩\U000e0041\U000e007f"))


@pytest.mark.parametrize("text", ["a\u200db", "\u200c", "a\u200c", "👩\u200c🚀", "ab\u200d👩"])
def test_other_joiners_are_shown(text):
    assert "‹U+200" in show_invisible(text)
    assert not {"\u200c", "\u200d"} & set(show_invisible(text))
