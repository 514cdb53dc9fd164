"""Generated text made safe to look at: nothing invisible, nothing that acts.

HTML escaping (jinja2's autoescape) stops markup; this stops what escaping lets
through: terminal escapes, nulls, and the characters that turn or hide text in a
browser (bidirectional overrides, zero-width characters). They are shown by name.
"""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str, limit: int = 2000) -> str:
    """Return the text with every invisible character as `‹U+XXXX›`, cut at `limit`."""
    shown = "".join(_shown(character) for character in text[:limit])
    return shown + " …" if len(text) > limit else shown


def _shown(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"‹U+{ord(character):04X}›"
