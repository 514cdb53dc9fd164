"""The validation rules of judgements: their judge, their names, and what one kind alone has."""

from __future__ import annotations

from isheep.api.evaluation import CATEGORY_CHARACTERS
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

RULES_OF_A_JUDGEMENT: tuple[ValidationRule, ...] = (
    ValidationRule(
        "self.kind != 'Grades' || self.against == 'Base'",
        "kind Grades compares the grades of M(t) with those of M(0): set against to Base, or kind "
        "to WinRate",
        "against",
    ),
    ValidationRule(
        "!has(self.temperatures) || self.kind == 'Grades'",
        "only questions of the kind Grades have a category: remove temperatures, or set kind to "
        "Grades",
        "temperatures",
    ),
    ValidationRule(
        "!has(self.temperatures) || self.temperatures.all(name, size(name) >= 1 "
        f"&& size(name) <= {CATEGORY_CHARACTERS})",
        f"the name of a category must have 1 to {CATEGORY_CHARACTERS} characters",
        "temperatures",
    ),
)
"""The rules of one judgement."""
