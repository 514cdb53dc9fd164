"""Which operator writes, over which version of a run, and when no operator writes."""

from __future__ import annotations

import itertools
import time

from .harness.api import MERGE_PATCH
from .harness.concurrent_tests import OperatorFactory, takes_long
from .harness.operator_process import OperatorProcess
from .harness.pod_behaviour import Hold
from .harness.ports import free_port
from .harness.proxy import Proxy
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]
IDLE_SECONDS = 20.0


@takes_long
def test_only_the_holder_of_the_lease_writes(operators: OperatorFactory) -> None:
    # An idle holder does not renew. No Job of this test takes longer than half of the Lease.
    environment, namespace = operators(lease_seconds=60)
    environment.start()
    cluster = namespace.cluster
    proxy = Proxy(cluster.server, cluster.rights.token, cluster.background)
    proxy.start()
    config = {**environment.operator.config, "httpPort": free_port()}
    second = OperatorProcess(environment.folder / "second", proxy.connect, config, "operator-1")
    try:
        second.start()
        for name in ("one", "two", "three"):
            namespace.create(FROM_TRAIN.named(name).spec(randomSeed=len(name)))
        for name in ("one", "two", "three"):
            namespace.until_phase("Succeeded", name)
        writers = [bool(environment.proxy.writes()), bool(proxy.writes())]
        assert sorted(writers) == [False, True], "only one of the operators has written"
        pairs = [(environment.operator, environment.proxy), (second, proxy)]
        (holder, holder_proxy), (other, other_proxy) = pairs if writers[0] else pairs[::-1]

        # The holder of the Lease is killed: the other operator waits until the Lease expires.
        namespace.workers.set_behaviour("train", Hold())
        namespace.create(FROM_TRAIN.named("four").spec(randomSeed=4))
        namespace.until_running("i1/train", "four")
        holder.kill()
        holder.wait()
        namespace.workers.let_work("train")
        namespace.until_phase("Succeeded", "four")
        assert namespace.started("four") == ORDER
        assert other_proxy.writes()

        # The restarted operator writes nothing while the other one holds the Lease. The other
        # one releases the Lease when it stops.
        holder.start(wait=False)
        for number in itertools.count():
            # A write renews the Lease of the other operator until the restarted one is ready.
            namespace.create(Run(f"suspended-{number}").spec(suspend=True))
            namespace.until_phase("Suspended", f"suspended-{number}")
            assert holder.is_alive(), holder.tail()
            if holder.is_ready():
                break
        namespace.create(FROM_TRAIN.named("five").spec(randomSeed=55))
        namespace.until_phase("Succeeded", "five")
        assert holder_proxy.writes() == []
        assert other.stop() == 0
        namespace.create(FROM_TRAIN.named("six").spec(randomSeed=66))
        namespace.until_phase("Succeeded", "six")
        assert holder_proxy.writes()
    finally:
        if second.process is not None and second.is_alive():
            second.stop()
        proxy.stop()


def test_an_operator_with_finished_runs_only_lists_and_watches(operators: OperatorFactory) -> None:
    """It does not even write its Lease."""
    timings = {"firstLookSeconds": 1, "lookSeconds": 1, "pollSeconds": 1, "listSeconds": 2}
    environment, namespace = operators(timings=timings)
    environment.start()
    run = Run().skip_to("i1/report")
    names = [f"run-{n}" for n in range(20)]
    for seed, name in enumerate(names):
        namespace.create(run.named(name).spec(randomSeed=seed))
    for name in names:
        namespace.until_phase("Succeeded", name)
    namespace.until(lambda: not any(namespace.jobs(name) for name in names))
    for name in names:
        # The operator creates the Events after it has written the status.
        namespace.until(lambda name=name: "Succeeded" in [e[1] for e in namespace.events(name)])
    namespace.until_quiet(5.0)
    before = len(environment.proxy.requests)
    time.sleep(IDLE_SECONDS)
    sent = environment.proxy.requests[before:]
    assert [str(request) for request in sent if request.is_write] == []
    assert {request.resource for request in sent} <= {"selfalignmentruns", "jobs"}


def test_a_run_that_waits_for_its_job_causes_no_writes(operators: OperatorFactory) -> None:
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    # Before, the operator writes the status and deletes the Job of prepare.
    namespace.until(lambda: namespace.status().get("stage", {}).get("id") == "i1/train")
    namespace.until(lambda: len(namespace.jobs()) == 1)
    namespace.until_quiet(5.0)
    before = len(environment.proxy.requests)
    time.sleep(5)
    sent = environment.proxy.requests[before:]
    assert [str(r) for r in sent if r.is_counted_write] == []
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")


def test_the_operator_plans_again_after_another_client_has_changed_the_run(
    operators: OperatorFactory,
) -> None:
    """The operator writes a status only over the version that it planned from."""
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    environment.proxy.delay(0.3)
    namespace.workers.let_work("train")
    for number in range(8):
        labels = {"metadata": {"labels": {"touched": str(number)}}}
        namespace.api.must("PATCH", namespace.runs_path("run"), labels, content_type=MERGE_PATCH)
        time.sleep(0.25)
    environment.proxy.clear_faults()
    namespace.until_phase("Succeeded")
    assert namespace.started() == ORDER
