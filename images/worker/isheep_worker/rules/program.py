"""Self-Instruct's rule against "Write a program": such tasks crowd out all others."""

from __future__ import annotations

from isheep_worker.rules.interface import Rule, Task

_START = "write a program"


def _check(row: Task) -> str | None:
    start = row.instruction[: len(_START)]
    return start if start.lower() == _START else None


WRITE_A_PROGRAM: Rule[Task] = Rule("write_a_program", _check, english_only=True)
