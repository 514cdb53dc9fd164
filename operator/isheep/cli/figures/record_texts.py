"""What a record of the history says about M(t): one sentence for each comparison with M(0)."""

from __future__ import annotations

from collections.abc import Iterator

from isheep.api.status import IterationRecord
from isheep.cli.figures.benchmark_text import benchmark_text
from isheep.cli.figures.grade_text import grade_text
from isheep.cli.figures.judgement_text import judgement_text
from isheep.cli.figures.yardstick_text import yardstick_text


def record_texts(record: IterationRecord) -> Iterator[str]:
    """Yield the sentences about the yardstick, the benchmark, the judgement and the grades."""
    t = record.iteration
    if record.yardstick is not None:
        yield yardstick_text(t, record.yardstick)
    if record.benchmark is not None:
        yield benchmark_text(t, record.benchmark)
    if record.judgement is not None:
        yield judgement_text(t, record.judgement)
    if record.grades is not None:
        yield grade_text(t, record.grades)
