"""The tolerant parser: reads a score in the forms that chat models write, and no other number.

The parser works in three steps on the text before the separator:

1. It removes what a reader does not see: invisible characters and the model's thoughts. It writes
   all decimal digits and full-width signs in ASCII.
2. It skips what may be in front of a score: white space, marks of Markdown, brackets, quotation
   marks, tags, and words such as `Score:` and `I would rate it` (`score_words.py`).
3. It reads a number and looks at what follows. A scale of ten (`/10`), a unit (`points`), the end
   of the line, punctuation, and the start of a sentence leave the number a score. Everything else
   can make it another thing, as in `8-9`, `9,5`, `1e1`, `10th`, `90%` and `3 of the 5 facts`. The
   answer is then `ambiguous`, because a wrong score is worse than no score.

If there is no score at the start, the parser looks for the only one with a mark or a name of its
own, such as `[[8]]`, `<score>8</score>` or `Score: 8`. An answer with different scores is
ambiguous.

Answers are hostile text, so each step takes linear time: the patterns have possessive quantifiers
or bounded repetitions, and no step starts again at each character.
"""

from __future__ import annotations

import re
import unicodedata

from isheep.contract.invisible_characters import without_invisible
from isheep_worker.templates.parsed_score import ParsedScore, score_of
from isheep_worker.templates.score_words import (
    JUDGEMENTS,
    LABEL,
    NUMBERS,
    SENTENCE,
    STARTERS,
    UNIT,
    UNIT_OF_SCALE,
)

_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">", "“": "”", "‘": "’", "«": "»"}
_CLOSING |= {"「": "」", "『": "』", "【": "】", "《": "》", "„": "“"}
_QUOTES = "\"'`"
_TAG = r"</?[a-z_]{1,20}+>|<\|[a-z_]{1,30}+\|>"
_SPACE = r"(?:\s|\\[nrt](?![a-z]))"
_FRONT = re.compile(
    rf"(?P<skip>{_SPACE}++|{_TAG}|```[a-z]{{0,10}}+|\*++|_++|[:=|]|#{{1,6}}+(?=\s)|>(?=\s)"
    rf"|[-–—•·](?=[\s*_])|->|=>|→)"
    rf"|(?P<open>\\boxed\{{|[(\[{{“‘«「『【《„]|<(?=\d))|(?P<close>[)\]}}>”’»」』】》“])"
    rf"|(?P<quote>[{_QUOTES}])|(?P<label>{LABEL})",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"([+\-−])?([0-9]++)(?:\.([0-9]++))?+")
_WORD_NUMBER = re.compile(rf"(?:{'|'.join(NUMBERS)})(?![a-z])", re.IGNORECASE)
_SYMBOL_AND_NUMBER = re.compile(r"[^\w\s]{1,3}[0-9]")
_ORNAMENT = re.compile(rf"[*_]{{1,3}}+(?!\s*[0-9])|{_TAG}", re.IGNORECASE)
_SCALE = re.compile(
    r"[ \t]*+(?:(?P<close>\()[ \t]*+)?(?:/|out of|of|von|sur|de)[ \t]*+(?:(?P<ten>10(?:\.0++)?+"
    r"(?!\d)|ten\b)|(?P<other>[0-9]))|[ \t]*+on a (?:scale|range) (?:of|from) "
    r"(?:1|one) ?(?:-|–|to) ?(?P<range>10|ten)\b",
    re.IGNORECASE,
)
_UNIT = re.compile(UNIT, re.IGNORECASE)
_UNIT_OF_SCALE = re.compile(UNIT_OF_SCALE, re.IGNORECASE)
_STARTER = re.compile(rf"[ \t]*+(?:{STARTERS})", re.IGNORECASE)
_STARTER_AFTER_SCALE = re.compile(r"[ \t]*+for\b", re.IGNORECASE)
_JUDGEMENT = re.compile(rf"[ \t]++(?:{JUDGEMENTS})\b")
_LINE_ENDS = re.compile(r"[ \t]*+(?:$|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]|\\[nrt](?![a-z]))")
_PAUSE = re.compile(
    r"[ \t]*+(?:\.{2,}+|…|[.!;,。；、]|—|--|[:|]|\()|[ \t]++[-–−](?=[ \t]|$)",
)
_ANOTHER_NUMBER = re.compile(
    r"[^\w\n]*+(?:[0-9½¼¾]|(?:or|to|and|maybe|perhaps|possibly|probably|even|out|of|but)\b)",
    re.IGNORECASE,
)
_REMARK = re.compile(r"[^()\n]{0,200}+\)")
_CUT_HERE = re.compile(r"[ \t.,:;/*_)\]}\"'`]*+\Z")
_THOUGHTS = r"(?:think|thinking|thought|thoughts|reasoning)"
_THOUGHTS_END = re.compile(rf"</{_THOUGHTS}>", re.IGNORECASE)
_THOUGHTS_START = re.compile(rf"\s*+<{_THOUGHTS}>", re.IGNORECASE)
_WRITTEN = r"\s{0,4}+([0-9]{1,3}+(?:\.[0-9]{1,20}+)?+)(?:\s{0,2}+/\s{0,2}+10)?+\s{0,4}+"
_MARKED = re.compile(
    rf"\[\[{_WRITTEN}\]\]|\\boxed\{{{_WRITTEN}\}}|<score>{_WRITTEN}</score>"
    rf"|<rating>{_WRITTEN}</rating>"
    rf"|[\"'](?:[a-z]{{1,20}}+_)?(?:score|rating)[\"']\s{{0,4}}+:\s{{0,4}}+[\"']?{_WRITTEN}[\"']?"
    rf"\s{{0,4}}+[,}}]",
    re.IGNORECASE,
)
_GAP = r"[\"'*_(\[ \t]{0,6}+"
_DIGITS = r"([0-9]{1,3}+(?:\.[0-9]{1,20}+)?+)"
_NAMED = re.compile(
    rf"(?<!\w)(?:(?:score|rating|grade){_GAP}[:=]|{SENTENCE}){_GAP}{_DIGITS}", re.IGNORECASE
)
_LABELLED = re.compile(
    rf"(?:score|rating|grade|quality|following)(?:{_GAP}(?:is|of|[:=]){_GAP}|[ \t]){_DIGITS}",
    re.IGNORECASE,
)
_AMBIGUOUS = ParsedScore(None, "ambiguous")


def tolerant_score(answer: str, *, complete: bool = True) -> ParsedScore:
    """Return the score of an answer in any form that has only one meaning.

    Args:
        answer: The text of the assessor before the separator.
        complete: Whether the assessor ended the answer. If it was cut by its length right after the
            number, the number may be cut too, so the answer is ambiguous.

    Returns:
        The score, or the kind of failure.
    """
    plain = _plain(answer)
    text = _without_thoughts(plain)
    if not text.strip():
        return ParsedScore(None, "no-number" if plain.strip() else "empty")
    score = _score_in(text, complete=complete)
    if score.score is None:
        return score
    others = _numbers(_MARKED, text) | _numbers(_LABELLED, text)
    return _AMBIGUOUS if others - {score} else score


def _score_in(text: str, *, complete: bool) -> ParsedScore:
    """Return the score at the start of a text, or else the only one with a mark or a label."""
    leading = _score_at(text, 0, complete=complete)
    if leading.score is not None:
        return leading
    marked = _numbers(_MARKED, text)
    if marked:
        return marked.pop() if len(marked) == 1 else _AMBIGUOUS
    named = [match.start() for match in _NAMED.finditer(text)]
    return _score_at(text, named[0], complete=complete) if len(named) == 1 else leading


def _plain(answer: str) -> str:
    """Return the text with digits and full-width signs in ASCII, without invisible characters."""
    seen = without_invisible(answer)
    return seen if seen.isascii() else "".join(map(_plain_character, seen))


def _plain_character(character: str) -> str:
    if character.isascii():
        return character
    if 0xFF01 <= ord(character) <= 0xFF5E:
        return chr(ord(character) - 0xFEE0)
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if character == "\N{ARABIC DECIMAL SEPARATOR}":
        return "."
    category = unicodedata.category(character)
    if category in ("Cf", "Me"):  # the frame of a digit, as in an emoji, and signs around digits
        return ""
    return " " if category == "Zs" else character


def _without_thoughts(text: str) -> str:
    """Return the text after the model's thoughts; an empty text if the thoughts do not end."""
    ends = [match.end() for match in _THOUGHTS_END.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    return "" if _THOUGHTS_START.match(rest) else rest


def _numbers(pattern: re.Pattern[str], text: str) -> set[ParsedScore]:
    """Return the different scores that a pattern finds; each form in it has one group."""
    found = set()
    for match in pattern.finditer(text):
        whole, _, fraction = str(match[match.lastindex or 0]).partition(".")
        found.add(score_of(None, whole, fraction))
    return found


def _score_at(text: str, at: int, *, complete: bool) -> ParsedScore:
    """Return the score at a position of a text, after what may be in front of it."""
    start, opened = _skip_front(text, at)
    number = _NUMBER.match(text, start) or _WORD_NUMBER.match(text, start)
    if number is None:
        other = _SYMBOL_AND_NUMBER.match(text, start)
        return ParsedScore(None, "no-number") if other is None else _AMBIGUOUS
    if not complete and _CUT_HERE.match(text, number.end()):
        return _AMBIGUOUS
    written = number[0].lower()
    sign, whole, fraction = number.groups() or (None, str(NUMBERS[written]), None)
    begins_list = whole == "1" and not fraction
    if not _is_score(text, number.end(), opened, begins_list=begins_list):
        return _AMBIGUOUS
    return score_of(sign, whole, fraction)


def _skip_front(text: str, at: int) -> tuple[int, list[str]]:
    """Return where the number must start, and the closing signs of what is open there."""
    opened: list[str] = []
    while (match := _FRONT.match(text, at)) is not None:
        sign = match[0]
        if match.lastgroup == "open":
            opened.append(_CLOSING[sign[-1]])
        elif match.lastgroup == "quote":
            if opened and opened[-1] == sign:
                opened.pop()
            else:
                opened.append(sign)
        elif match.lastgroup == "close":
            if not opened or opened[-1] != sign:
                break
            opened.pop()
        at = match.end()
    return at, opened


def _is_score(text: str, at: int, opened: list[str], *, begins_list: bool) -> bool:
    """Return whether the number that ends at `at` is a score, by what follows it."""
    at = _skip_ornaments(text, at, opened)
    at, scaled = _skip_scale_and_unit(text, at, opened)
    if at < 0 or ">" in opened:
        return False
    if _LINE_ENDS.match(text, at) or _STARTER.match(text, at) or _JUDGEMENT.match(text, at):
        return True
    if scaled and _STARTER_AFTER_SCALE.match(text, at):
        return True
    pause = _PAUSE.match(text, at)
    return pause is not None and _is_end(text, pause, begins_list=begins_list and not scaled)


def _skip_ornaments(text: str, at: int, opened: list[str]) -> int:
    """Return the position after closing signs, marks of Markdown and tags."""
    while True:
        ornament = _ORNAMENT.match(text, at)
        if ornament is not None:
            at = ornament.end()
        elif opened and text.startswith(opened[-1], at):
            opened.pop()
            at += 1
        else:
            return at


def _skip_scale_and_unit(text: str, at: int, opened: list[str]) -> tuple[int, bool]:
    """Return the position after a scale of ten and a unit, and whether there is such a scale.

    The position is -1 if there is another scale.
    """
    unit = _UNIT.match(text, at)
    at = unit.end() if unit else at
    scale = _SCALE.match(text, at)
    if scale is None:
        return at, False
    if scale["other"]:
        return -1, False
    opened += [")"] if scale["close"] else []
    at = _skip_ornaments(text, scale.end(), opened)
    unit = _UNIT_OF_SCALE.match(text, at)
    return (unit.end() if unit else at), True


def _is_end(text: str, pause: re.Match[str], *, begins_list: bool) -> bool:
    """Return whether a pause after a number ends the score.

    A list begins with 1, so `1.` and `1:` before more text are not scores. Other numbers before a
    full stop are scores if a sentence follows: `9. The response …`, but not `2. Following: …`.
    """
    sign = pause[0].strip()
    at = pause.end()
    if _LINE_ENDS.match(text, at):
        return not (begins_list and sign in (":", "、"))
    remark = _REMARK.match(text, at) if sign == "(" else None
    if any(_ANOTHER_NUMBER.match(text, end) for end in (at, remark.end() if remark else at)):
        return False
    if sign in (".", "、"):
        sentence = _STARTER.match(text, at) or _JUDGEMENT.match(text, at)
        return not begins_list and sentence is not None and (sign == "、" or text[at].isspace())
    return not (begins_list and sign == ":")
