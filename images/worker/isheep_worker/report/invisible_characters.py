"""Invisible characters in generated text, which the report shows by their code points.

HTML escaping (jinja2's autoescape) disables markup. It does not change terminal escapes, null
characters, and characters that reverse or hide text in a browser (bidirectional overrides,
zero-width characters).

Two zero-width characters are part of correct texts: Persian, the scripts of India and others need
the zero-width joiner and non-joiner to shape a word, and some emoji consist of several that the
joiner connects. They stay if a character next to them is of such a script, or if the joiner is
between two emoji.
"""

from __future__ import annotations

import unicodedata

_LAYOUT = "\n\t"
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_NON_JOINER, _JOINER = "\u200c", "\u200d"
_EMOJI_SELECTOR = "\ufe0f"
_JOINING_SCRIPTS = frozenset(
    {
        *("ARABIC", "EXTENDED", "MANDAIC", "MONGOLIAN", "NKO", "SYRIAC"),
        *(
            "BENGALI",
            "BRAHMI",
            "DEVANAGARI",
            "GUJARATI",
            "GURMUKHI",
            "KAITHI",
            "KANNADA",
            "MALAYALAM",
        ),
        *("MEETEI", "ORIYA", "SINHALA", "TAMIL", "TELUGU", "TIBETAN"),
        *("BALINESE", "JAVANESE", "KHMER", "MYANMAR", "TAI"),
    }
)
"""The scripts, as the first words of the names of their letters, marks and digits in Unicode."""


def show_invisible(text: str, limit: int = 2000) -> str:
    """Return the first `limit` characters, with `‹U+XXXX›` for each invisible character.

    A joiner or non-joiner that shapes a word or an emoji stays as it is.
    """
    part = text[:limit]
    shown = "".join(
        character if _shapes(part, at) else _shown(character) for at, character in enumerate(part)
    )
    return shown + " …" if len(text) > limit else shown


def _shapes(text: str, at: int) -> bool:
    """Return whether a joiner or non-joiner shapes the text around it."""
    if text[at] not in (_NON_JOINER, _JOINER) or at == 0:
        return False
    before, after = text[at - 1], text[at + 1 : at + 2]
    if any(_is_of_joining_script(character) for character in before + after):
        return True
    return text[at] == _JOINER and _is_emoji(before) and _is_emoji(after)


def _is_of_joining_script(character: str) -> bool:
    return unicodedata.name(character, "").partition(" ")[0] in _JOINING_SCRIPTS


def _is_emoji(character: str) -> bool:
    return character == _EMOJI_SELECTOR or unicodedata.category(character or "\n") in {"So", "Sk"}


def _shown(character: str) -> str:
    if character in _LAYOUT or unicodedata.category(character) not in _INVISIBLE_CATEGORIES:
        return character
    return f"‹U+{ord(character):04X}›"
