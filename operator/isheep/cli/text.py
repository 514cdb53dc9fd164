"""Text from outside of isheep, made safe for a terminal.

Messages and log tails can contain text that a model wrote, and a model can write escape sequences.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return the text with `?` for every control character except newline and tab."""
    return _CONTROL.sub("?", text)
