"""What no sequence of faults may break: one invariant a file, each a pure function of a history.

An invariant returns a sentence for each violation.
"""

from __future__ import annotations

from collections.abc import Callable

from ..history import History
from . import (
    committed_once,
    committed_stays,
    ends_or_explains,
    no_defects,
    no_orphans,
    one_dataset,
    one_job,
    same_outcome,
    true_counts,
    true_failure,
    true_status,
)

Invariant = Callable[[History], list[str]]

INVARIANTS: dict[str, Invariant] = {
    "one-dataset": one_dataset.violations,
    "committed-once": committed_once.violations,
    "committed-stays": committed_stays.violations,
    "one-job": one_job.violations,
    "true-status": true_status.violations,
    "true-counts": true_counts.violations,
    "true-failure": true_failure.violations,
    "no-orphans": no_orphans.violations,
    "ends-or-explains": ends_or_explains.violations,
    "same-outcome": same_outcome.violations,
    "no-defects": no_defects.violations,
}


def violations(history: History) -> list[str]:
    """Return the violations of all invariants, each with the name of its invariant."""
    return [f"{name}: {text}" for name, check in INVARIANTS.items() for text in check(history)]
