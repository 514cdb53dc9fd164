"""Text from outside is safe on a terminal: it controls nothing and changes no order."""

import unicodedata

import pytest

from isheep.cli.terminal.text import printable

ALL = "".join(map(chr, [*range(0x20000), *range(0xE0000, 0xE1000)]))
ORDERING = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def test_no_control_character_and_no_direction_character_stays() -> None:
    shown = printable(ALL)
    assert len(shown) == len(ALL)
    left = {c for c in shown if unicodedata.category(c) == "Cc"}
    assert left == {"\n", "\t"}
    assert not {c for c in shown if unicodedata.bidirectional(c) in ORDERING}
    assert not set("\u200e\u200f\u061c\u200b\u00ad\ufeff\u2028\U000e0041") & set(shown)


@pytest.mark.parametrize(
    "text", ["a\n\tb", "می\u200cخواهم", "👩\u200d🔬", "❤\ufe0f", "é 漢字 \u2800"]
)
def test_a_correct_text_does_not_change(text: str) -> None:
    assert printable(text) == text


def test_an_override_cannot_turn_our_own_text_around() -> None:
    assert printable("the stage failed: \u202egnorw") == "the stage failed: ?gnorw"
