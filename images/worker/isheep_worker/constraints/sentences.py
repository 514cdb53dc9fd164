"""The sentences of an instruction that can state a constraint on the whole response.

A sentence is left out if its words often limit only a part of the response, such as "each line", or
only mention a constraint, as in a condition, a question or a task about programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_END = re.compile(r"(?<=[.!?])\s+(?=[\"“A-Z])|\n+")
_PART_OR_MENTION = re.compile(
    r"\b(?:if|whether|unless|when|each|every|per|why|how|what|which|who|examples?|count|check|"
    r"function|program|script|code|python|regex|regular expression|method|class|query|paragraphs?|"
    r"sentences? (?:with|of|that)|lines? (?:with|of|that)|title (?:with|of)|has|had|is|was|are|"
    r"were|does|did|explain|difference|true or false|original|given text)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"^\W*(?:(?:and|then|also|but|please)\W+)*(?:can|could|would|will) you\b", re.I)


def constraining_sentences(instruction: str) -> Iterator[str]:
    """Yield the sentences of an instruction that can state a constraint, in order."""
    for sentence in _END.split(instruction):
        # The rest of a polite question is an ordinary request.
        rest = _ASKS.sub("", sentence)
        is_question = sentence.rstrip().endswith("?") and rest == sentence
        # Quoted words are values, and say nothing about the sentence.
        unquoted = re.sub(r"[\"“][^\"”]{0,200}[\"”]", '""', rest)
        if not is_question and not _PART_OR_MENTION.search(unquoted):
            yield rest
