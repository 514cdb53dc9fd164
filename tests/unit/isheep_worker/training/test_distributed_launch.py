"""Who trains with whom, and what a node says when one of its processes fails."""

from __future__ import annotations

import signal

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError
from isheep_worker.runtime.orders import RENDEZVOUS_VARIABLE, Failure, Shard
from isheep_worker.training.together import Group, cause_of, group_of

MEET = {RENDEZVOUS_VARIABLE: "run-train-abc-0.run-train-xyz:29400"}
LOST = Failure(ExitCode.UNREACHABLE, "PeerUnreachable", "gone")
FULL = Failure(ExitCode.DISK, "DiskFailed", "full")
MEMORY = Failure(ExitCode.DEVICE_MEMORY, "OutOfDeviceMemory", "full")


@pytest.mark.parametrize(
    ("nodes", "shard", "devices", "expected", "world"),
    [
        (1, Shard(), 0, Group(1, 0, 1), 1),
        (1, Shard(), 1, Group(1, 0, 1), 1),
        (1, Shard(), 8, Group(1, 0, 8), 8),
        # A share of other stages' parts says nothing of training.
        (1, Shard(2, 4), 1, Group(1, 0, 1), 1),
        (4, Shard(2, 4), 0, Group(4, 2, 1, MEET[RENDEZVOUS_VARIABLE]), 4),
        (4, Shard(2, 4), 8, Group(4, 2, 8, MEET[RENDEZVOUS_VARIABLE]), 32),
    ],
)
def test_a_process_for_every_gpu_of_every_node(
    nodes: int, shard: Shard, devices: int, expected: Group, world: int
) -> None:
    found = group_of(nodes, shard, devices, MEET)
    assert found == expected
    assert found.world_size == world


@pytest.mark.parametrize(
    ("shard", "environment"), [(Shard(0, 2), {}), (Shard(0, 1), MEET), (Shard(0, 3), MEET)]
)
def test_nodes_that_nobody_brings_together_are_refused(
    shard: Shard, environment: dict[str, str]
) -> None:
    with pytest.raises(ContractError, match="training on 2 nodes"):
        group_of(2, shard, 1, environment)


@pytest.mark.parametrize(
    ("failures", "exit_codes", "code", "reason"),
    [
        ({1: FULL}, {1: 1}, 74, "DiskFailed"),
        # What one process died of comes before what the others lost by it.
        ({0: LOST, 1: MEMORY}, {0: 1, 1: 1}, 80, "OutOfDeviceMemory"),
        ({0: LOST}, {0: 1, 1: -signal.SIGKILL}, 137, "Killed"),
        ({0: LOST}, {0: 1, 1: -signal.SIGABRT}, 134, "Killed"),
        # torchrun ends the others by SIGTERM.
        ({0: LOST}, {0: 1, 1: -signal.SIGTERM}, 69, "PeerUnreachable"),
        ({0: FULL, 1: MEMORY}, {0: 1, 1: 1}, 80, "OutOfDeviceMemory"),
        ({0: FULL}, {0: 1, 1: -signal.SIGKILL}, 74, "DiskFailed"),
        ({}, {3: 1}, 70, "Defect"),
    ],
)
def test_the_cause_is_told_and_not_what_it_caused(
    failures: dict[int, Failure], exit_codes: dict[int, int], code: int, reason: str
) -> None:
    found = cause_of(failures, exit_codes)
    assert found is not None
    assert (found.exit_code, found.reason) == (code, reason)


def test_nothing_failed() -> None:
    assert cause_of({}, {}) is None


def test_a_killed_process_is_named_and_where_memory_is_raised() -> None:
    found = cause_of({}, {5: -signal.SIGKILL})
    assert found is not None
    assert "process 5" in found.message
    assert "resources.limits.memory" in found.message
