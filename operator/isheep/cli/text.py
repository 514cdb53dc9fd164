"""Text from elsewhere, made fit for a terminal.

Messages and log tails may hold what a model has written, and a model may write escape
sequences.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return the text with every control character but newline and tab shown as `?`."""
    return _CONTROL.sub("?", text)
