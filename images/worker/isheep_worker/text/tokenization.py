"""Texts as lists of words: what deduplication, decontamination and word limits count.

For ASCII texts `words` is exactly what `rouge_score` makes of them without
stemming: lower-cased runs of letters and digits. That tokenizer throws every
other character away, so that two different Russian or Chinese tasks would both
be empty and never compared. Here letters and digits of all scripts count: a
script that puts spaces between words gives words, one that does not (Chinese,
Japanese, Thai, Lao, Khmer, Burmese) gives single characters, the usual unit for
ROUGE there. Vowel signs and accents that follow a letter belong to its word.

The character ranges stand here, and not in `unicodedata`, because its tables
differ between Python versions and the decisions must not. Texts are not
normalised (composed and decomposed accents differ): normalising takes quadratic
time on a hostile run of accents. Everything here is linear in the text.
"""

from __future__ import annotations

import re

_SPACELESS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)
_MARKS = (
    "\u0300-\u036f\u0483-\u0487"  # Latin, Greek, Cyrillic
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"  # Arabic
    "\u0900-\u0963\u0966-\u0dff"  # Indic scripts, letters included, without the danda
)
_SPACELESS_CHARACTER = re.compile(f"[{_SPACELESS}]")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_WORD = re.compile(
    f"[{_SPACELESS}]"
    f"|(?:(?![_{_SPACELESS}])[\\w{_MARKS}])++"  # possessive: never given back, so linear
)


def words(text: str) -> list[str]:
    """Return the lower-cased words of a text, in order."""
    lowered = text.lower()
    return (_ASCII_WORD if lowered.isascii() else _WORD).findall(lowered)


def word_count(text: str) -> int:
    """Count words as people do: by white space, and by characters where there is none.

    Unlike `len(words(text))` this counts `it's` once and a lone dash too, as the
    method's limits of 4 and 150 words do.
    """
    if text.isascii():
        return len(text.split())
    return len(_SPACELESS_CHARACTER.sub(r" \g<0> ", text).split())
