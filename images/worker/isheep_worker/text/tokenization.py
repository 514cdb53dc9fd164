"""Texts as lists of words, for deduplication, decontamination and limits on numbers of words.

For ASCII texts without control characters, `words` returns exactly the tokens of `rouge_score`
without stemming: lower-cased runs of letters and digits. That tokenizer discards every other
character, so two different Russian or Chinese tasks would both be empty and would never be
compared. Here the letters and digits of all scripts count. A script with spaces between words gives
words. A script without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) gives single
characters, the usual unit of ROUGE for these scripts. Vowel signs and accents after a letter belong
to the letter's word.

Words are compared, so they are those of the plain form (`comparison`): invisible characters hide no
word, and composed and decomposed accents are equal. This module contains the character ranges. The
tables of `unicodedata` differ between Python versions, and the decisions must not differ. Each
function here takes time linear in the length of the text.
"""

from __future__ import annotations

import re

from isheep_worker.text.comparison import comparable, visible

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
_COUNTED_WORD = re.compile(f"[{_SPACELESS}]|[^\\s{_SPACELESS}]++")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_WORD = re.compile(
    f"[{_SPACELESS}]"
    f"|(?:(?![_{_SPACELESS}])[\\w{_MARKS}])++"  # possessive: no backtracking, so linear
)


def words(text: str) -> list[str]:
    """Return the lower-cased words of the plain form of a text, in order.

    Args:
        text: Any text, in any script.

    Returns:
        The words; single characters for scripts without spaces.
    """
    lowered = comparable(text).lower()
    return (_ASCII_WORD if lowered.isascii() else _WORD).findall(lowered)


def word_count(text: str) -> int:
    """Return the number of words of a text as people count them.

    White space separates words; in scripts without spaces, each character is a word. Invisible
    characters are not words. Unlike
    `len(words(text))`, this function counts `it's` as one word and a lone dash as a word, as the
    method's limits of 4 and 150 words do (Self-Instruct's filter).

    Args:
        text: Any text, in any script.

    Returns:
        The number of words.
    """
    if text.isascii():
        return len(visible(text).split())
    return len(_SPACELESS_CHARACTER.sub(r" \g<0> ", visible(text)).split())


def first_words(text: str, share: float, least: int) -> str | None:
    """Return the beginning of a text with a share of its words, as people count them.

    Args:
        text: Any text, in any script.
        share: The share of the words, between 0 and 1; their number is rounded down.
        least: The smallest number of words of the text.

    Returns:
        The text up to the end of the last word of the share; None if the text has fewer words.
    """
    ends = [word.end() for word in _COUNTED_WORD.finditer(text)]
    count = int(len(ends) * share)
    return text[: ends[count - 1]] if len(ends) >= least and count else None
