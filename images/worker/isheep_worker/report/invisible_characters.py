"""Invisible characters in generated text, which the report shows by their code points.

HTML escaping (jinja2's autoescape) disables markup. It does not change terminal escapes, null
characters, and characters that reverse or hide text in a browser (bidirectional overrides,
zero-width characters).
"""

from __future__ import annotations

import unicodedata

_LAYOUT = "\n\t"
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def show_invisible(text: str, limit: int = 2000) -> str:
    """Return the first `limit` characters, with `‹U+XXXX›` for each invisible character."""
    shown = "".join(_shown(character) for character in text[:limit])
    return shown + " …" if len(text) > limit else shown


def _shown(character: str) -> str:
    if character in _LAYOUT or unicodedata.category(character) not in _INVISIBLE_CATEGORIES:
        return character
    return f"‹U+{ord(character):04X}›"
