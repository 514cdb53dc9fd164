"""Code in a text of Markdown: what the rules over prose leave out.

Only code that the text marks as code is found: fenced blocks with an end, and spans between
backticks on one line. Each function takes time linear in the length of the text.
"""

from __future__ import annotations

import re

_FENCES = ("```", "~~~")
_FENCE = re.compile(r"[ ]{0,3}(?P<fence>`{3}|~{3})(?P<rest>.*)")
_SPAN = re.compile(r"`[^`\n]{1,500}`")
_REMOVED = "``"


def without_code(text: str) -> str:
    """Return a text of Markdown with two backticks in place of each block and span of code.

    Args:
        text: The text. A block without an end is not removed.

    Returns:
        The text without its code; the text before and after a block stays apart.
    """
    if any(fence in text for fence in _FENCES):
        text = "\n".join(_without_blocks(text.split("\n")))
    return _SPAN.sub(_REMOVED, text) if "`" in text else text


def _without_blocks(lines: list[str]) -> list[str]:
    found: list[str] = []
    opened, fence = -1, ""
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if opened < 0 and match is not None:
            opened, fence = number, match["fence"]
        elif opened < 0:
            found.append(line)
        elif match is not None and match["fence"] == fence and not match["rest"].strip("`~ \t\r"):
            found.append(_REMOVED)
            opened = -1
    return found if opened < 0 else [*found, *lines[opened:]]
