"""Self-Instruct's rule against "Write a program": without it, such tasks become too frequent."""

from __future__ import annotations

from isheep_worker.rules.interface import Example, Rule, Task
from isheep_worker.text.comparison import comparable

_START = "write a program"


def _check(row: Task) -> str | None:
    start = comparable(row.instruction)[: len(_START)]
    return start if start.lower() == _START else None


WRITE_A_PROGRAM: Rule[Task] = Rule(
    "write-a-program",
    _check,
    drops="The instruction begins with `Write a program`.",
    example=Example("Write a program that adds two numbers."),
    english_only=True,
)
