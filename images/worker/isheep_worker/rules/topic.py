"""Rules over a topic: a few words on one line, and nothing of a prompt's own form."""

from __future__ import annotations

from isheep_worker.rules import control_characters, markers
from isheep_worker.rules.interface import Rule
from isheep_worker.text.tokenization import word_count, words

MAX_WORDS = 8


def _length(topic: str) -> str | None:
    count = word_count(topic)
    return None if words(topic) and count <= MAX_WORDS else f"{count} words"


LENGTH: Rule[str] = Rule("topic_length", _length)

TOPIC_RULES: tuple[Rule[str], ...] = (
    control_characters.TOPIC_CONTROL_CHARACTERS,
    markers.TOPIC_CHAT_MARKER,
    LENGTH,
)
