"""Two operators of one installation: one is killed or stopped, and the other one goes on.

`test_writes.py` tests that only one of them writes. Here the holder of the Lease is lost while runs
are at work. No stage may get a second attempt because of that, and an operator that was stopped for
longer than its Lease must not write when it goes on.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import pytest

from .harness.concurrent_tests import OperatorFactory, takes_long
from .harness.namespace_fixture import NamespaceFixture
from .harness.operator_environment import OperatorEnvironment
from .harness.pod_behaviour import Hold
from .harness.proxy import Recorded
from .harness.rbac import SYSTEM_NAMESPACE
from .harness.runs import Run
from .harness.waiting import until

pytestmark = pytest.mark.long

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]
DURATION = 22
"""The default duration of the Lease, in seconds."""
NAMES = ("one", "two", "three")


def holder(environment: OperatorEnvironment) -> str:
    """Return the holder of the Lease."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases/{environment.lease}"
    return str(environment.cluster.server.get(path)["spec"]["holderIdentity"])


def start_two(
    operators: OperatorFactory,
) -> tuple[OperatorEnvironment, OperatorEnvironment, NamespaceFixture]:
    """Start two operators; the first one holds the Lease, and three runs train."""
    first, namespace = operators(lease_seconds=DURATION)
    namespace.workers.set_behaviour("train", Hold())
    first.start()
    for seed, name in enumerate(NAMES):
        namespace.create(FROM_TRAIN.named(name).spec(randomSeed=seed))
    for name in NAMES:
        namespace.until_running("i1/train", name)
    second = operators.replica(first).start()
    return first, second, namespace


def check_one_attempt(namespace: NamespaceFixture) -> None:
    """Check that each stage of each run had one Job and one attempt."""
    for name in NAMES:
        assert namespace.started(name) == ORDER
        attempts = {s["id"]: s["attempts"] for s in namespace.status(name)["stages"]}
        assert {attempts[stage] for stage in ORDER} == {1}
        assert "lastFailure" not in namespace.status(name)


def finish(namespace: NamespaceFixture) -> None:
    """Let all runs go on, and wait until they have succeeded."""
    namespace.workers.let_work("train")
    for name in NAMES:
        namespace.until_phase("Succeeded", name)
        namespace.until(lambda name=name: not namespace.jobs(name))


@takes_long
def test_the_other_operator_goes_on_after_a_kill(operators: OperatorFactory) -> None:
    first, second, namespace = start_two(operators)
    # A write right before the kill renews the Lease, so the other operator waits for all of it.
    namespace.create(Run("suspended").spec(suspend=True))
    namespace.until_phase("Suspended", "suspended")
    assert holder(first) == "operator-0"
    first.operator.kill()
    killed = time.monotonic()
    namespace.create(FROM_TRAIN.named("late").spec(randomSeed=len(NAMES)))
    namespace.until_job("prepare", "late")
    # docs/performance.md has this figure; nothing depends on it.
    seconds = time.monotonic() - killed
    sys.stderr.write(f"failover: {seconds:.1f} s from the kill to the Job of a new run\n")
    finish(namespace)
    namespace.until_phase("Succeeded", "late")
    check_one_attempt(namespace)
    assert namespace.started("late") == ORDER
    assert holder(first) == "operator-1"
    assert second.proxy.writes()


@takes_long
@pytest.mark.parametrize("early", [True, False], ids=["before-its-answer", "after-its-answer"])
def test_the_other_operator_goes_on_after_a_kill_at_a_write(
    operators: OperatorFactory, *, early: bool
) -> None:
    """The first operator is killed when it has just created a Job of the first run."""
    first, namespace = operators(lease_seconds=DURATION)
    killed: list[str] = []

    def kill(request: Recorded) -> None:
        if request.resource == "jobs" and request.method == "POST" and not killed:
            killed.append(str(request))
            first.operator.kill()

    first.proxy.on_write_of_next_process(kill, early=early)
    first.start()
    # The first operator holds the Lease when the second one starts.
    namespace.create(Run("suspended").spec(suspend=True))
    namespace.until_phase("Suspended", "suspended")
    second = operators.replica(first).start()
    for seed, name in enumerate(NAMES):
        namespace.create(FROM_TRAIN.named(name).spec(randomSeed=seed))
    namespace.until(lambda: bool(killed))
    finish(namespace)
    check_one_attempt(namespace)
    assert second.proxy.writes("jobs")


@takes_long
def test_an_operator_that_was_stopped_for_longer_than_its_lease_writes_nothing(
    operators: OperatorFactory,
) -> None:
    first, second, namespace = start_two(operators)
    namespace.create(Run("suspended").spec(suspend=True))
    namespace.until_phase("Suspended", "suspended")
    assert holder(first) == "operator-0"
    first.operator.pause()
    before = len(first.proxy.writes())
    namespace.workers.let_work("train", "one")
    namespace.until_phase("Succeeded", "one")
    assert holder(first) == "operator-1"
    first.operator.resume()
    # The stopped operator has passes of its own to make: it has seen none of these events.
    finish(namespace)
    check_one_attempt(namespace)
    late = first.proxy.writes()[before:]
    assert [str(request) for request in late] == []
    until(first.operator.is_ready, otherwise=first.operator.tail)
    assert second.operator.is_alive()


@takes_long
def test_an_operator_that_was_stopped_while_it_took_the_lease_writes_nothing(
    operators: OperatorFactory,
) -> None:
    """It gets the answer to its renewal after another operator has taken the Lease.

    The operator is about to write: its pass has planned, and has asked for the Lease.
    """
    first, namespace = operators(lease_seconds=DURATION)
    stopped = threading.Event()

    def stop(request: Recorded) -> None:
        if not stopped.is_set():
            first.operator.pause()
            stopped.set()

    first.proxy.on_write_of_next_process(stop, early=True, resource="leases")
    first.start()
    namespace.create(FROM_TRAIN.named("one"))
    namespace.until(stopped.is_set)
    second = operators.replica(first).start()
    taken: list[Any] = []

    def has_written() -> bool:
        taken[:] = second.proxy.writes()
        return bool(taken)

    namespace.until(has_written)
    assert holder(first) == "operator-1"
    first.operator.resume()
    namespace.until_phase("Succeeded", "one")
    assert [str(request) for request in first.proxy.writes()] == []
    assert namespace.started("one") == ORDER
