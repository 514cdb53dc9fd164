"""The validation rules of judgements: they need a judge, and names that no benchmark has."""

from __future__ import annotations

from isheep.api.validation_rule import ValidationRule

JUDGEMENT_RULES: tuple[ValidationRule, ...] = (
    ValidationRule(
        "!has(self.evaluation) || !has(self.evaluation.judgements) "
        "|| size(self.evaluation.judgements) == 0 || has(self.judge)",
        "evaluation.judgements needs a judge: set judge.model or judge.endpoint",
        "evaluation.judgements",
    ),
)
"""The rules of the whole spec."""

EVALUATION_RULES: tuple[ValidationRule, ...] = (
    ValidationRule(
        "!has(self.judgements) || !has(self.benchmarks) "
        "|| self.judgements.all(j, self.benchmarks.all(b, b.name != j.name))",
        "a benchmark and a judgement have the same name: give each of them its own name",
        "judgements",
    ),
)
"""The rules of `evaluation`."""
