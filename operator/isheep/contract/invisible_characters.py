"""The characters that a reader does not see, for comparisons and for safe displays.

The set follows three properties of Unicode 17:

- Default_Ignorable_Code_Point: zero-width and direction characters, the soft hyphen, variation
  selectors, fillers of Hangul, tags, and the code points that Unicode reserves for more of them;
- the category Cf (format), without the signs with Prepended_Concatenation_Mark, which enclose
  digits and are visible;
- the category Cc (control), without white space.

U+2800, the Braille pattern without dots, is added: it has none of these properties and looks like a
space. The ranges are written here, because the tables of `unicodedata` and of the package `regex`
change with their versions, and decisions must not change with them. A test compares the ranges with
these properties for every code point.
"""

from __future__ import annotations

import re

INVISIBLE = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""The characters as the content of a character class of a regular expression."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]+")
_ASCII_CONTROLS = dict.fromkeys((*range(0x09), *range(0x0E, 0x1C), 0x7F))


def without_invisible(text: str) -> str:
    """Return a text without invisible characters, in time linear in its length."""
    if text.isascii():
        return text.translate(_ASCII_CONTROLS)
    return _INVISIBLE.sub("", text)


def is_invisible(character: str) -> bool:
    """Return whether a character is invisible."""
    return _INVISIBLE.match(character) is not None
