"""The invisible characters are those of Unicode's properties, for every code point."""

import re
import unicodedata

import regex

from isheep.contract.invisible_characters import INVISIBLE, is_invisible, without_invisible

ALL = "".join(map(chr, range(0x110000)))
PROPERTIES = (
    r"\p{Default_Ignorable_Code_Point}",
    r"[\p{Cf}--\p{Prepended_Concatenation_Mark}]",
    # Python counts four more separators as white space than Unicode does.
    r"[\p{Cc}--[\p{White_Space}\x1c-\x1f]]",
)
BLANK_BRAILLE = "\u2800"
REMOVED = set(re.findall(f"[{INVISIBLE}]", ALL))


def test_the_set_has_every_code_point_of_the_properties_and_no_other() -> None:
    found = {
        character
        for one in PROPERTIES
        for character in regex.findall(one, ALL, flags=regex.VERSION1)
    }
    different = sorted(f"U+{ord(c):04X}" for c in REMOVED ^ {*found, BLANK_BRAILLE})
    assert not different, "compare the ranges with Unicode again, and raise the stages' versions"


def test_no_visible_character_and_no_white_space_is_removed() -> None:
    """`unicodedata` is another source than `regex`."""
    assert not [c for c in REMOVED if c.isspace()]
    categories = {unicodedata.category(c) for c in REMOVED - {BLANK_BRAILLE}}
    assert categories <= {"Cc", "Cf", "Cn", "Lo", "Mn"}
    letters = sorted(f"U+{ord(c):04X}" for c in REMOVED if unicodedata.category(c) == "Lo")
    assert letters == ["U+115F", "U+1160", "U+3164", "U+FFA0"]


def test_all_of_them_are_removed_from_a_text_and_nothing_else() -> None:
    for text in (ALL, ALL[:128]):
        assert without_invisible(text) == "".join(c for c in text if c not in REMOVED)
    assert all(map(is_invisible, REMOVED))
    assert not any(map(is_invisible, "a é\n漢字"))
