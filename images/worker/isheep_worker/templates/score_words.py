"""The words around a score that the tolerant parser knows, as parts of regular expressions.

The lists are closed: a word that is not in them can give a number another meaning, as in `Fact 3`
or `3 facts`. They contain the words of the built-in prompts' language, English, and the usual words
for a score in some other languages, because a run can have its own rubrics.
"""

from __future__ import annotations

_KIND = r"(?:(?:my|the|your|its|final|overall|total|quality|following|instruction[- ]following)\s)"
_NOUN = (
    r"(?:scores?|rating|grade|marks?|points?|evaluation|assessment|verdict|judge?ment|quality"
    r"|(?:instruction[- ])?following|bewertung|puntuación|puntaje|nota|punteggio|оценка|балл)"
)
_OBJECT = (
    r"(?:it|this|that|the|pair|response|answer|a|an|score of|rating of|score|rating|at|as|is)(?!\w)"
)
_OUT_OF_TEN = r"(?:\s?\(?(?:out of |/ ?|of |1 ?(?:-|–|to|~) ?)10\)?(?=\s{0,2}[*_]{0,3}\s?[:=]))"
_OF_WHAT = r"(?:\sfor\s(?:this|the)(?:\s(?:pair|response|answer))?+)"
_IS = r"(?:\s(?:is|of|would\sbe)(?!\w))"
_SPACELESS = (
    r"我给(?:出|它|这个回答)?|我的|最终|总体|综合|质量|评分|得分|分数|打分|总分|评价"
    r"|スコア|点数|評価|得点|採点|점수|평점|는|은|は|是|为"
)
SENTENCE = (
    r"I(?:'d|’d|'ll|’ll|\swould|\swill)?+\s(?:give|rate|score|assign|grade|say)"
    rf"(?:\s{_OBJECT}){{0,6}}+(?!\w)"
    r"|(?:it|this|the)(?:\s(?:pair|response|answer))?+\s(?:deserves|gets|earns|receives)"
    rf"(?:\s{_OBJECT}){{0,3}}+(?!\w)"
)
"""The start of a sentence that gives a score: `I would rate it`, `This response deserves a`."""

LABEL = (
    r"here(?:'s|’s|\sis|\sare)(?!\w)"
    r"|on\sa\sscale\s(?:of|from)\s(?:1|one)\s?(?:to|-|–)\s?(?:10|ten)(?!\w),?"
    rf"|(?:{_KIND}){{0,3}}{_NOUN}(?!\w)(?:{_OF_WHAT}?+{_IS}|{_OUT_OF_TEN})?+"
    r"|(?:(?:my|the|final)\s){0,2}+(?:answer|result|output|overall|total)"
    r"(?=\s{0,2}[*_]{0,3}[:=])"
    r"|assistant(?=\s{0,2}[:\n])|(?:an?\s)?(?:solid|strong|perfect)(?=\s[*]{0,2}[0-9])"
    rf"|{SENTENCE}|(?:{_SPACELESS})"
)
"""What names a score in front of it: `Overall score`, `Answer:`, `I would give it a`."""

_ENGLISH = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS = {
    word: n for words in (_ENGLISH, "一二三四五六七八九十") for n, word in enumerate(words, 1)
}
"""Numbers that are written as words."""

STARTERS = (
    r"(?:the|this|that|it|its|it's|i|because|since|as|although|while|overall|there|they|my|your)"
    r"(?!\w)|(?-i:An?\b)|因为|因為|这|該|该|很|非常|回答|内容|整体|とても|この"
)
"""Words that begin an explanation. None of them can be a unit or a counted thing."""

JUDGEMENTS = (
    "Good|Great|Excellent|Perfect|Very|Clear|Correct|Accurate|Well|Fair|Poor|Bad|Weak|Not|No|Mostly"
    "|Response|Answer"
)
"""Words that begin an explanation without an article, with a capital letter."""

UNIT = r"[ \t]*+(?:points?|pts)(?!\w)|(?:[ \t]?)(?:分(?![钟鐘之のか])|点|점)"
UNIT_OF_SCALE = rf"{UNIT}|[ \t]*+stars?(?!\w)"
"""Units of a score, and of a score on a scale of ten. Stars alone can have a scale of five."""
