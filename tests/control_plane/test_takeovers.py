"""An operator whose watches are silent takes the Lease: it must not act on what it knew before."""

from __future__ import annotations

from .harness.concurrent_tests import OperatorFactory
from .harness.pod_behaviour import Hold
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]


def test_an_operator_with_silent_watches_lists_before_it_writes(operators: OperatorFactory) -> None:
    first, namespace = operators()
    namespace.workers.set_behaviour("train", Hold())
    first.start()
    namespace.create(Run("suspended").spec(suspend=True))
    namespace.until_phase("Suspended", "suspended")
    # The first operator may create no Job, so the second one knows a run that needs one.
    first.proxy.reject("POST", "/jobs$", 422)
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Stalled")
    second = operators.replica(first).start()
    second.proxy.silence_watches()
    first.proxy.clear_faults()
    namespace.until_running("i1/train")
    # The Job of prepare is deleted, so its name is free.
    namespace.until(lambda: len(namespace.jobs()) == 1)

    def lists() -> int:
        requests = second.proxy.all_requests()
        return sum(one.path == namespace.jobs_path() for one in requests)

    before = lists()
    first.operator.stop()
    namespace.until(lambda: lists() > before)
    second.proxy.silence_watches(silent=False)
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")
    assert namespace.started() == ORDER
    assert second.proxy.writes()
    # It wrote nothing before it had listed runs and Jobs again.
    requests = second.proxy.all_requests()
    wrote = next(n for n, one in enumerate(requests) if one.is_counted_write)
    took = next(n for n, one in enumerate(requests) if one.is_write)
    listed = {one.resource for one in requests[took:wrote] if one.method == "GET"}
    assert {"selfalignmentruns", "jobs"} <= listed


def test_an_operator_takes_over_a_namespace_without_jobs(operators: OperatorFactory) -> None:
    first, namespace = operators()
    first.start()
    namespace.create(Run("suspended").spec(suspend=True))
    namespace.until_phase("Suspended", "suspended")
    second = operators.replica(first).start()
    first.operator.stop()
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    assert namespace.started() == ORDER
    assert second.proxy.writes()
