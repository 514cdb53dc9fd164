"""An instruction has 4 to 150 words: fewer describe no task, and more are usually a dialogue."""

from __future__ import annotations

from isheep_worker.rules.interface import Example, Rule, Task
from isheep_worker.text.tokenization import word_count

MIN_WORDS = 4
MAX_WORDS = 150


def _check(row: Task) -> str | None:
    count = word_count(row.instruction)
    return None if MIN_WORDS <= count <= MAX_WORDS else f"{count} words"


LENGTH: Rule[Task] = Rule(
    "length",
    _check,
    drops=f"The instruction has fewer than {MIN_WORDS} or more than {MAX_WORDS} words.",
    example=Example("Name a bird."),
)
