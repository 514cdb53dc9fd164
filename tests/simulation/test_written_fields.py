"""The invariants read each field that the operator writes, except those in a list."""

from __future__ import annotations

import pytest

from .api_server import RUNS
from .history import History
from .invariants import INVARIANTS, violations
from .simulate import simulate
from .written_fields import changed, fields_of

SEED = 314
"""Two runs with few faults, whose statuses have all these fields.

A new theme changes the draws. Then search for another seed with these fields.
"""
LEASES = "leases"
READ_BY = {
    "status.resolved.spec.iterations": "true-resolved",
    "status.resolved.seen.model.storageUri": "true-resolved",
    "status.resolved.prepared.modelDigest": "true-resolved",
    "status.resolved.inputs.seedTasks": "true-resolved",
    "status.resolved.workerImage": "true-resolved",
    "status.resolved.generation": "true-resolved",
    "status.stages.*.counts.kept": "keeps-records",
    "status.stages.*.attempts": "true-counts",
    "status.stages.*.failures": "keeps-records",
    "status.stages.*.hold.times": "keeps-records",
    "status.gpu.attempts.*.created": "true-usage",
    "status.gpu.attempts.*.devices.nvidia.com/gpu": "true-usage",
    "status.gpu.attempts.*.ended": "true-usage",
    "status.gpu.prices.currency": "true-usage",
    "status.lastModelUri": "keeps-results",
    "status.best.iteration": "keeps-results",
    "status.startTime": "keeps-results",
    "status.completionTime": "keeps-results",
}
"""The invariant that reads a field of a run, if no other one has to."""
OF_LEASES = ("leaseDurationSeconds", "acquireTime", "renewTime", "leaseTransitions")
UNREAD = {
    "status.conditions.*.message": "a text",
    "status.best.note": "a text",
    "status.lastFailure.message": "a text",
    "status.stages.*.hold.message": "a text",
    "status.stage.estimatedRemainingSeconds": "a figure for people",
    "status.stage.itemsDone": "a figure for people",
    "status.stage.itemsTotal": "a figure for people",
    "status.gpu.attempts.*.graceSeconds": "of an attempt that is charged completely",
}
"""The fields of a status that no invariant reads, with the reason."""


@pytest.fixture(scope="module")
def made() -> History:
    return simulate(SEED)


def test_the_history_has_no_violation(made: History) -> None:
    assert violations(made) == []


@pytest.mark.parametrize("field", READ_BY)
def test_an_invariant_reads_a_field_of_a_run(made: History, field: str) -> None:
    number, path = fields_of(made, RUNS)[field]
    assert INVARIANTS[READ_BY[field]](changed(made, number, path))


@pytest.mark.parametrize("field", OF_LEASES)
def test_an_invariant_reads_a_field_of_the_lease(made: History, field: str) -> None:
    number, path = fields_of(made, LEASES)[f"spec.{field}"]
    assert INVARIANTS["true-lease"](changed(made, number, path, once=True))


@pytest.mark.long
def test_some_invariant_reads_each_field_of_a_status(made: History) -> None:
    found = fields_of(made, RUNS)
    status = {name: place for name, place in found.items() if name.startswith("status.")}
    unread = {name for name, place in status.items() if not _is_noticed(made, *place)}
    assert unread == set(UNREAD)


def _is_noticed(made: History, number: int, path: tuple[str | int, ...]) -> bool:
    """Return whether an invariant notices, or cannot read the history any more."""
    try:
        return bool(violations(changed(made, number, path)))
    except (KeyError, ValueError):
        return True
