"""The plain form of a text, in which texts are compared; stored texts are never changed.

Two texts that look the same can have different characters. A zero-width space or a soft hyphen in a
word hides a copy from a comparison, and a response of such characters only is not empty
(`isheep.contract.invisible_characters` has the set). An accent can be one character or two, a
letter can be full width, and Arabic and Hebrew can be written with or without vowel marks. In the
plain form these differences are gone. Every comparison uses it: deduplication, decontamination,
repeated topics and instances, and the rules that search for words.

Marks that carry meaning stay: the vowel signs of Indic scripts, Thai tone marks, accents of Latin,
and the hamza and madda of Arabic letters. Zero-width joiners are removed in all scripts, because
they change the form of a letter and rarely the word.

The decisions must not differ between Python versions, so the normalization (NFKC) uses the tables
of Unicode 3.2, which each Python contains. CPython orders a run of marks in quadratic time. The
model wrote the text, so a run of marks is cut to 30 before that; Unicode's stream-safe format (UAX
#15) has the same limit. Each function takes time linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata

from isheep.contract.invisible_characters import without_invisible

_POINTS = re.compile(
    "["
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew
    "\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670"  # Arabic
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08d3-\u08e1\u08e3-\u08ff"
    "\ufc5e-\ufc63\ufcf2-\ufcf4\ufe70-\ufe72\ufe74\ufe76-\ufe7f"  # the same as presentation forms
    "]+"
)
"""Vowel marks and signs for reading aloud, which usual texts leave out, and the Arabic tatweel."""

_MOST_MARKS = 30
# A mark is neither a letter nor a digit. The half-width sound marks of kana are letters that become
# marks.
_LONG_RUN = re.compile(
    f"((?:[^\\w\\s\x00-\x7f]|[\uff9e\uff9f]){{{_MOST_MARKS}}})"
    "(?:[^\\w\\s\x00-\x7f]|[\uff9e\uff9f])++"
)
_FULL_WIDTH = re.compile("[\uff01-\uff5e]")
_FULL_WIDTH_OFFSET = 0xFEE0

_PLAIN = re.compile(
    "["
    "\t-\r\x1c-\x7e\u00c0-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e"  # Latin
    "\u0400-\u0481\u048a-\u04ff"  # Cyrillic
    "\u2013\u2014\u2018-\u201f\u3001-\u3003"  # dashes, quotation marks, Chinese full stops
    "\u3041-\u3094\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3"  # kana, Han, Hangul
    "]*+"
)
"""A text of these characters is in the plain form; most texts are, so this saves time."""


def comparable(text: str) -> str:
    """Return the plain form of a text, for comparisons only.

    Args:
        text: Any text, in any script.

    Returns:
        The text without invisible characters and optional vowel marks, in NFKC. An ASCII text
        without control characters is returned unchanged.
    """
    if _PLAIN.fullmatch(text):
        return text
    bare = _FULL_WIDTH.sub(_half_width, _POINTS.sub("", without_invisible(text)))
    if _PLAIN.fullmatch(bare):
        return bare
    plain = unicodedata.ucd_3_2_0.normalize("NFKC", _LONG_RUN.sub(r"\1", bare))
    # The normalization can write such marks: a ligature of Arabic contains them.
    return _POINTS.sub("", plain)


def _half_width(match: re.Match[str]) -> str:
    return chr(ord(match[0]) - _FULL_WIDTH_OFFSET)


def visible(text: str) -> str:
    """Return a text without invisible characters and without outer white space.

    The result is empty if a reader sees nothing.
    """
    return without_invisible(text).strip()
