"""The validation rules of the fields with which a run decides how it goes on.

A decision reads figures with the role Validation only, and a metric must be that of a benchmark of
the run. Whether a benchmark has a metric is known when its task is loaded, in prepare.
"""

from __future__ import annotations

from isheep.api.validation_rule import ValidationRule

_DECIDES = " && (b.role == 'Validation' || has(b.share))"
"""In CEL: the benchmark b has figures that a decision may read."""


def _benchmark_of(field: str, condition: str = "") -> str:
    """Return in CEL: if a field has a metric, a benchmark has its name and fulfils a condition.

    A metric is the name of a benchmark, or the name, a slash and the name of a metric.
    """
    metric = f"self.{field}.metric"
    named = f"({metric} == b.name || {metric}.startsWith(b.name + '/'))"
    return (
        f"!has(self.{field}) || !has({metric}) || has(self.evaluation) "
        "&& has(self.evaluation.benchmarks) "
        f"&& self.evaluation.benchmarks.exists(b, {named}{condition})"
    )


def _metric_rules(field: str, use: str) -> tuple[ValidationRule, ...]:
    known = _benchmark_of(field)
    path = f"{field}.metric"
    return (
        ValidationRule(
            known,
            f"{path} names no benchmark of evaluation.benchmarks: add the benchmark, or correct "
            "the name (`<benchmark>` or `<benchmark>/<metric>`)",
            path,
        ),
        ValidationRule(
            # A metric without a benchmark breaks the rule above.
            f"!({known}) || {_benchmark_of(field, _DECIDES)}",
            f"{path} names a benchmark with the role Test, and {use} by its figures would make "
            "them look too good: set its role to Validation, or divide its items with share",
            path,
        ),
    )


DECISION_RULES: tuple[ValidationRule, ...] = (
    ValidationRule(
        "!has(self.safeguards) || !(self.safeguards.action in ['Stop', 'RollBack']) "
        "|| !has(self.yardstick) || self.yardstick.items > 0",
        "safeguards.action Stop and RollBack need the answers to the yardstick, and "
        "yardstick.items is 0: raise it, or set safeguards.action to Warn",
        "safeguards.action",
    ),
    ValidationRule(
        "!has(self.safeguards) || !has(self.safeguards.rules) "
        "|| !('LenientAssessor' in self.safeguards.rules) || has(self.assessment.anchors)",
        "the rule LenientAssessor reads the scores of anchors: set assessment.anchors, or remove "
        "the rule",
        "safeguards.rules",
    ),
    *_metric_rules("best", "a choice"),
    *_metric_rules("stopping", "a decision"),
)
"""The rules of the whole spec."""
