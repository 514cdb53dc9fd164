"""An instruction has 4 to 150 words: fewer describe no task, and more are usually a dialogue."""

from __future__ import annotations

from isheep_worker.rules.interface import Example, Rule, Task
from isheep_worker.text.tokenization import word_count

MIN_WORDS = 4
MAX_WORDS = 150


def _check(row: Task) -> str | None:
    count = word_count(row.instruction)
    if count < MIN_WORDS:
        return f"{count} words, fewer than {MIN_WORDS}"
    return f"{count} words, more than {MAX_WORDS}" if count > MAX_WORDS else None


LENGTH: Rule[Task] = Rule(
    "length",
    _check,
    drops=f"The instruction has fewer than {MIN_WORDS} or more than {MAX_WORDS} words.",
    example=Example("Name a bird."),
)
