"""The operator's log: one line for each action and transition, and no secret in any line."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from isheep.kube.client import ApiError

from .site import Site, play


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="isheep")
    return caplog


def lines(log: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    found = (record for record in log.records if record.getMessage() == message)
    return [getattr(record, "isheep_fields", {}) for record in found]


def test_each_job_is_logged_when_it_is_created_and_when_it_is_deleted(
    log: pytest.LogCaptureFixture,
) -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.drive()

    site = play(story)
    created, deleted = lines(log, "Job created"), lines(log, "Job deleted")
    assert [line["stage"] for line in created] == list(site.started)
    assert created[0].keys() == {"job", "namespace", "run", "stage", "attempt", "key"}
    assert len(created[0]["key"]) == 12
    assert {line["why"] for line in deleted} == {"its result is stored"}
    assert {line["job"] for line in deleted} <= {line["job"] for line in created}


def test_each_change_of_phase_and_condition_is_logged(log: pytest.LogCaptureFixture) -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.drive()

    play(story)
    phases = [(line["before"], line["phase"]) for line in lines(log, "Phase changed")]
    assert phases == [("none", "Pending"), ("Pending", "Running"), ("Running", "Succeeded")]
    changes = [(c["condition"], c["status"]) for c in lines(log, "Condition changed")]
    assert ("Complete", "True") in changes
    assert ("Reconciling", "removed") in changes


def test_a_rejected_job_is_a_warning_with_its_reason(log: pytest.LogCaptureFixture) -> None:
    async def story(site: Site) -> None:
        site.create()

        def fault(method: str, path: str) -> None:
            if method == "POST" and path.endswith("/jobs"):
                raise ApiError(403, "Forbidden", "exceeded quota: jobs", ())

        site.server.fault = fault
        await site.operator.settle()

    play(story)
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
    async def story(site: Site) -> None:
        site.create()
        await site.drive()
        site.operator.queue.wake(site.uid())
        await site.operator.settle()

    play(story)
    idle = [r for r in log.records if r.getMessage() == "Pass without a write"]
    assert {r.levelno for r in idle} == {logging.DEBUG}
    assert "nothing has changed since the last plan" in {r.isheep_fields["why"] for r in idle}


def test_the_lease_is_logged_when_it_is_taken(log: pytest.LogCaptureFixture) -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.drive()

    play(story)
    assert len(lines(log, "Lease taken")) == 1
    assert lines(log, "Lease lost") == []
