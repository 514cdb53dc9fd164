"""Text from outside of isheep, made safe for a terminal.

Messages and log tails can contain text that a model wrote. A model can write escape sequences, and
characters that hide text or show it, and our own text after it, in another order.
"""

from __future__ import annotations

import re

from isheep.contract.invisible_characters import INVISIBLE

_SHAPING = "\u200c\u200d\u2800\ufe00-\ufe0f"
"""Joiners, the Braille space and selectors: correct texts contain them, and they hide nothing."""
_CONTROL = re.compile(f"[\x0b-\x0d\x1c-\x1f\x85\u2028\u2029]|(?![{_SHAPING}])[{INVISIBLE}]")


def printable(text: str) -> str:
    """Return the text with `?` for what a terminal would not show as it is.

    These are control characters, except newline and tab, and invisible characters, except those
    that shape a visible one.
    """
    return _CONTROL.sub("?", text)
