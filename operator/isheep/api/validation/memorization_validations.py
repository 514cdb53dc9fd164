"""The validation rule of memorization: its items need the room of one benchmark."""

from __future__ import annotations

from isheep.api.evaluation import MAX_BENCHMARKS
from isheep.api.validation_rule import ValidationRule

MEMORIZATION_RULES: tuple[ValidationRule, ...] = (
    ValidationRule(
        f"!has(self.memorization) || !has(self.benchmarks) "
        f"|| size(self.benchmarks) <= {MAX_BENCHMARKS - 1}",
        f"with memorization, the result of prepare has room for {MAX_BENCHMARKS - 1} benchmarks: "
        "remove a benchmark, or memorization",
        "memorization",
    ),
)
"""A rule of `evaluation`. The result of prepare has 2,048 bytes."""
