"""Rows of evaluations that tests write themselves."""

from __future__ import annotations

from isheep_worker.rows.schema import EvaluationRow


def rows(count: int, *, worse_by: float = 0.0, cut: int = 0) -> list[EvaluationRow]:
    """Return rows whose losses differ by task; the first `cut` answers are cut."""
    return [
        EvaluationRow(
            id=f"task-{n}",
            instruction="Name a bird.",
            input="",
            loss=1.0 + n % 7 + worse_by * (1 + n % 3),
            output_tokens=9,
            response="a b c",
            finish_reason="length" if n < cut else "stop",
            tokens=3,
        )
        for n in range(count)
    ]
