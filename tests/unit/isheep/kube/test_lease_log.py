"""The log lines about the Lease: one for each change of the holder that this operator sees."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from .fake_api_server import FakeApiServer
from .lease_scenarios import SECONDS, acquire, make_lease, run_scenario


def log_lines(log: pytest.LogCaptureFixture, message: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the level and the fields of the log lines with this message."""
    found = (record for record in log.records if record.getMessage() == message)
    return [(record.levelno, getattr(record, "isheep_fields", {})) for record in found]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="isheep.kube.lease")
    return caplog


def test_a_taken_lease_is_logged_once(log: pytest.LogCaptureFixture) -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        for _ in range(3):
            assert await lease.ensure() == 0
            await asyncio.sleep(SECONDS)

    run_scenario(scenario)
    fields = {"lease": "system/isheep-operator", "identity": "a"}
    assert log_lines(log, "Lease taken") == [(logging.INFO, fields)]


def test_a_lost_lease_is_logged_once_as_a_warning_with_the_other_holder(
    log: pytest.LogCaptureFixture,
) -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease, other = make_lease(server, "a"), make_lease(server, "b")
        await lease.ensure()
        await acquire(other)
        # The first try gets a conflict, and the next ones read the other holder.
        for _ in range(4):
            assert await lease.ensure() > 0

    run_scenario(scenario)
    fields = {"lease": "system/isheep-operator", "holder": "b", "identity": "a"}
    assert log_lines(log, "Lease lost") == [(logging.WARNING, fields)]


def test_an_operator_that_never_held_the_lease_does_not_log_its_loss(
    log: pytest.LogCaptureFixture,
) -> None:
    async def scenario(server: FakeApiServer) -> None:
        await make_lease(server, "a").ensure()
        assert await make_lease(server, "b").ensure() > 0

    run_scenario(scenario)
    assert log_lines(log, "Lease lost") == []


def test_a_lease_that_is_taken_again_after_its_loss_is_logged_again(
    log: pytest.LogCaptureFixture,
) -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease, other = make_lease(server, "a"), make_lease(server, "b")
        await lease.ensure()
        await acquire(other)
        await acquire(lease)

    run_scenario(scenario)
    assert [fields["identity"] for _, fields in log_lines(log, "Lease taken")] == ["a", "b", "a"]
    assert len(log_lines(log, "Lease lost")) == 1


def test_a_released_lease_is_logged_once(log: pytest.LogCaptureFixture) -> None:
    async def scenario(server: FakeApiServer) -> None:
        lease = make_lease(server, "a")
        await lease.ensure()
        await lease.release()
        await lease.release()
        await make_lease(server, "b").release()

    run_scenario(scenario)
    fields = {"lease": "system/isheep-operator", "identity": "a"}
    assert log_lines(log, "Lease released") == [(logging.INFO, fields)]
