"""Rules over a topic: a few words on one line, without a mark of the prompt's form."""

from __future__ import annotations

from isheep_worker.rules import control_characters, markers
from isheep_worker.rules.interface import Rule
from isheep_worker.text.tokenization import word_count, words

MAX_WORDS = 8


def _length(topic: str) -> str | None:
    if not words(topic):
        return "no word"
    count = word_count(topic)
    return f"{count} words, more than {MAX_WORDS}" if count > MAX_WORDS else None


LENGTH: Rule[str] = Rule(
    "topic-length",
    _length,
    drops=f"The topic has no word, or more than {MAX_WORDS} words.",
    example="the first night train that goes from Paris to Berlin",
)

TOPIC_RULES: tuple[Rule[str], ...] = (
    control_characters.TOPIC_CONTROL_CHARACTERS,
    markers.TOPIC_CHAT_MARKER,
    LENGTH,
)
