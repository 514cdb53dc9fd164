"""The process group of a training, and the failure that a node reports."""

from __future__ import annotations

import signal

import pytest

from isheep.contract.order import ContractError
from isheep.contract.reasons import Reason
from isheep_worker.runtime.failures import Failure
from isheep_worker.runtime.orders import RENDEZVOUS_VARIABLE, Shard
from isheep_worker.training.distributed_launch import ProcessGroup, cause_of, process_group

RENDEZVOUS = {RENDEZVOUS_VARIABLE: "run-train-abc-0.run-train-xyz:29400"}
LOST = Failure.of(Reason.PEER_UNREACHABLE, "lost")
FULL = Failure.of(Reason.DISK_FAILED, "full")
MEMORY = Failure.of(Reason.OUT_OF_DEVICE_MEMORY, "full")


@pytest.mark.parametrize(
    ("nodes", "shard", "devices", "expected", "world"),
    [
        (1, Shard(), 0, ProcessGroup(1, 0, 1), 1),
        (1, Shard(), 1, ProcessGroup(1, 0, 1), 1),
        (1, Shard(), 8, ProcessGroup(1, 0, 8), 8),
        # The share of other stages' parts does not affect training on one node.
        (1, Shard(2, 4), 1, ProcessGroup(1, 0, 1), 1),
        (4, Shard(2, 4), 0, ProcessGroup(4, 2, 1, RENDEZVOUS[RENDEZVOUS_VARIABLE]), 4),
        (4, Shard(2, 4), 8, ProcessGroup(4, 2, 8, RENDEZVOUS[RENDEZVOUS_VARIABLE]), 32),
    ],
)
def test_there_is_one_process_for_each_gpu_of_each_node(
    nodes: int, shard: Shard, devices: int, expected: ProcessGroup, world: int
) -> None:
    found = process_group(nodes, shard, devices, RENDEZVOUS)
    assert found == expected
    assert found.world_size == world


@pytest.mark.parametrize(
    ("shard", "environment"),
    [(Shard(0, 2), {}), (Shard(0, 1), RENDEZVOUS), (Shard(0, 3), RENDEZVOUS)],
)
def test_several_nodes_without_a_rendezvous_or_with_too_few_workers_are_refused(
    shard: Shard, environment: dict[str, str]
) -> None:
    with pytest.raises(ContractError, match="training on 2 nodes"):
        process_group(2, shard, 1, environment)


@pytest.mark.parametrize(
    ("failures", "exit_codes", "code", "reason"),
    [
        ({1: FULL}, {1: 1}, 74, "DiskFailed"),
        # The cause of a failure comes before the lost connections that it causes.
        ({0: LOST, 1: MEMORY}, {0: 1, 1: 1}, 80, "OutOfDeviceMemory"),
        ({0: LOST}, {0: 1, 1: -signal.SIGKILL}, 137, "Killed"),
        ({0: LOST}, {0: 1, 1: -signal.SIGABRT}, 134, "Killed"),
        # torchrun ends the other processes by SIGTERM.
        ({0: LOST}, {0: 1, 1: -signal.SIGTERM}, 69, "PeerUnreachable"),
        ({0: FULL, 1: MEMORY}, {0: 1, 1: 1}, 80, "OutOfDeviceMemory"),
        ({0: FULL}, {0: 1, 1: -signal.SIGKILL}, 74, "DiskFailed"),
        ({}, {3: 1}, 70, "Defect"),
    ],
)
def test_the_reported_failure_is_the_cause_and_not_its_consequence(
    failures: dict[int, Failure], exit_codes: dict[int, int], code: int, reason: str
) -> None:
    found = cause_of(failures, exit_codes)
    assert found is not None
    assert (found.exit_code, found.reason) == (code, reason)


def test_without_failed_processes_there_is_no_cause() -> None:
    assert cause_of({}, {}) is None


def test_the_failure_of_a_killed_process_names_its_rank_and_the_memory_limit() -> None:
    found = cause_of({}, {5: -signal.SIGKILL})
    assert found is not None
    assert "process 5" in found.message
    assert "resources.limits.memory" in found.message
