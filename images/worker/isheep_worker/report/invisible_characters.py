"""Invisible characters in generated text, which the report shows by their code points.

HTML escaping (jinja2's autoescape) disables markup. It does not change terminal escapes, null
characters, and characters that reverse or hide text in a browser (bidirectional overrides,
zero-width characters). Runs of variation selectors and tags can even contain a hidden text.

Some invisible characters are part of correct texts. Persian, the scripts of India and others need
the zero-width joiner and non-joiner to shape a word, and some emoji consist of several that the
joiner connects. They stay if a character next to them is of such a script, or if the joiner is
between two emoji. A variation selector chooses the form of the character before it: it stays after
a visible character, and only one.
"""

from __future__ import annotations

import unicodedata

from isheep.contract.invisible_characters import is_invisible

_LAYOUT = "\n\t\u2800"  # the last one is the space of Braille
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_NON_JOINER, _JOINER = "\u200c", "\u200d"
_EMOJI_SELECTOR = "\ufe0f"
_MONGOLIAN = ("\u180b", "\u180c", "\u180d", "\u180e", "\u180f")
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

    A joiner, a non-joiner or a variation selector that shapes the text stays as it is.
    """
    part = text[:limit]
    shown = "".join(
        character if _shapes(part, at) else _shown(character) for at, character in enumerate(part)
    )
    return shown + " …" if len(text) > limit else shown


def _shapes(text: str, at: int) -> bool:
    """Return whether an invisible character shapes the text around it."""
    if at == 0:
        return False
    if _is_selector(text[at]):
        return _has_forms(text[at - 1], text[at])
    if text[at] not in (_NON_JOINER, _JOINER):
        return False
    before, after = text[at - 1], text[at + 1 : at + 2]
    if any(_is_of_joining_script(character) for character in before + after):
        return True
    return text[at] == _JOINER and _is_emoji(before) and _is_emoji(after)


def _is_selector(character: str) -> bool:
    code = ord(character)
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or character in _MONGOLIAN


def _has_forms(character: str, selector: str) -> bool:
    """Return whether a character can have the form that a variation selector chooses."""
    if selector in _MONGOLIAN:
        return unicodedata.name(character, "").startswith("MONGOLIAN") and not _is_selector(
            character
        )
    return unicodedata.category(character)[0] in "LNPS" and not is_invisible(character)


def _is_of_joining_script(character: str) -> bool:
    return unicodedata.name(character, "").partition(" ")[0] in _JOINING_SCRIPTS


def _is_emoji(character: str) -> bool:
    return character == _EMOJI_SELECTOR or unicodedata.category(character or "\n") in {"So", "Sk"}


def _shown(character: str) -> str:
    hidden = unicodedata.category(character) in _INVISIBLE_CATEGORIES or is_invisible(character)
    if character in _LAYOUT or not hidden:
        return character
    return f"‹U+{ord(character):04X}›"
