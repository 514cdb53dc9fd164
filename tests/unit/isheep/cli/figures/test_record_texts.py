"""A record of the history has one sentence for each comparison that it contains."""

from __future__ import annotations

from isheep.api.status import GradeRecord, IterationRecord, YardstickRecord
from isheep.cli.figures.record_texts import record_texts


def test_a_record_has_a_sentence_for_each_of_its_comparisons() -> None:
    record = IterationRecord(
        iteration=2,
        yardstick=YardstickRecord(items=24, difference=0.5),
        grades=GradeRecord(name="mt-bench", items=12, mean=5.5, difference=0.25),
    )
    loss, grade = record_texts(record)
    assert loss.startswith("M(2): loss on 24 seed tasks")
    assert grade.startswith("M(2): mean grade 5.50 on 12 questions")


def test_a_record_without_a_comparison_has_no_sentence() -> None:
    assert list(record_texts(IterationRecord(iteration=1))) == []
