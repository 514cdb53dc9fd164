"""The operator's log: one line for each action and transition, and no secret in any line."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from isheep.kube.client import ApiError

from ..fake_cluster import FakeCluster, run_scenario
from ..scenarios import run_first_job


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="isheep")
    return caplog


def lines(log: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    """Return the fields of the log lines with this message."""
    found = (record for record in log.records if record.getMessage() == message)
    return [getattr(record, "isheep_fields", {}) for record in found]


def test_each_job_is_logged_when_it_is_created_and_when_it_is_deleted(
    log: pytest.LogCaptureFixture,
) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.run_to_end()

    cluster = run_scenario(scenario)
    created, deleted = lines(log, "Job created"), lines(log, "Job deleted")
    assert [line["stage"] for line in created] == list(cluster.started)
    assert created[0].keys() == {"job", "namespace", "run", "stage", "attempt", "key"}
    assert len(created[0]["key"]) == 12
    assert {line["why"] for line in deleted} == {"its result is stored"}
    assert {line["job"] for line in deleted} <= {line["job"] for line in created}


def test_each_change_of_phase_and_condition_is_logged(log: pytest.LogCaptureFixture) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.run_to_end()

    run_scenario(scenario)
    phases = [(line["before"], line["phase"]) for line in lines(log, "Phase changed")]
    assert phases == [("none", "Pending"), ("Pending", "Running"), ("Running", "Succeeded")]
    changes = [(c["condition"], c["status"]) for c in lines(log, "Condition changed")]
    assert ("Complete", "True") in changes
    assert ("Reconciling", "removed") in changes


def test_a_rejected_job_is_a_warning_with_its_reason(log: pytest.LogCaptureFixture) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()

        def fault(method: str, path: str) -> None:
            if method == "POST" and path.endswith("/jobs"):
                raise ApiError(403, "Forbidden", "exceeded quota: jobs", ())

        cluster.server.fault = fault
        await cluster.operator.run_due_passes()

    run_scenario(scenario)
    (line, *_) = lines(log, "Job rejected")
    assert (line["reason"], line["times"], line["error"]) == (
        "QuotaExceeded",
        1,
        "exceeded quota: jobs",
    )
    levels = {r.levelno for r in log.records if r.getMessage() == "Job rejected"}
    assert levels == {logging.WARNING}


def test_a_pass_without_a_write_is_logged_at_debug_with_its_cause(
    log: pytest.LogCaptureFixture,
) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await run_first_job(cluster)
        for _ in range(2):
            cluster.operator.queue.wake(cluster.uid())
            await cluster.operator.run_due_passes()
        await cluster.run_to_end()
        cluster.operator.queue.wake(cluster.uid())
        await cluster.operator.run_due_passes()

    run_scenario(scenario)
    idle = [r for r in log.records if r.getMessage() == "Pass without a write"]
    assert {r.levelno for r in idle} == {logging.DEBUG}
    causes = {r.isheep_fields["why"] for r in idle}
    assert "nothing has changed since the last plan" in causes
    assert "the run has ended or is suspended" in causes


def test_the_lease_is_logged_when_it_is_taken(log: pytest.LogCaptureFixture) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.run_to_end()

    run_scenario(scenario)
    assert len(lines(log, "Lease taken")) == 1
    assert lines(log, "Lease lost") == []
