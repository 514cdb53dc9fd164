"""The traces of an operator process: what a collector gets while runs go to their end.

`tests/unit/isheep/kube/observability/test_tracing.py` tests what a span contains. Here a real
process makes the spans from the status of runs on a real control plane, and is killed on the way.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from isheep.kube.observability.spans import root_id, span_id, trace_id

from ..unit.isheep.kube.span_collector import Collector, attributes_of, collector_of_spans
from .harness.concurrent_tests import OperatorFactory, takes_long
from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import Exit, Hold, Work
from .harness.runs import Run

pytestmark = pytest.mark.long

ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]


def spans_of(received: Collector, uid: str) -> list[Any]:
    """Return the spans of a run."""
    wanted = trace_id(uid).to_bytes(16, "big")
    return [span for span in received.spans() if span.trace_id == wanted]


def attempts_of(namespace: NamespaceFixture) -> list[tuple[str, str, int]]:
    """Return id, key and number of each attempt that the status counts."""
    return [
        (stage["id"], stage["key"], number)
        for stage in namespace.status()["stages"]
        for number in range(1, stage["attempts"] + 1)
    ]


def expected_ids(uid: str, attempts: list[tuple[str, str, int]]) -> Counter[bytes]:
    ids = [span_id(uid, *attempt) for attempt in attempts]
    return Counter(number.to_bytes(8, "big") for number in [*ids, root_id(uid)])


@takes_long
def test_a_collector_gets_each_attempt_of_each_stage_once(operators: OperatorFactory) -> None:
    with collector_of_spans() as received:
        environment, namespace = operators(tracing={"endpoint": received.url})
        environment.start()
        namespace.workers.set_behaviour("train", Exit(80), Work())
        uid = namespace.create(Run().skip_to("i1/train"))["metadata"]["uid"]
        namespace.until_phase("Succeeded")
        attempts = attempts_of(namespace)
        assert [id_ for id_, _, _ in attempts] == ["prepare", "i1/train", *ORDER[1:]]
        expected = expected_ids(uid, attempts)
        namespace.until(lambda: len(spans_of(received, uid)) >= expected.total())
        # The process sends the rest of its spans at its end.
        environment.operator.stop()
    spans = spans_of(received, uid)
    assert Counter(span.span_id for span in spans) == expected
    stages = {span.span_id: span for span in spans if span.parent_span_id}
    assert {span.parent_span_id for span in stages.values()} == {root_id(uid).to_bytes(8, "big")}
    named = Counter(attributes_of(span.attributes)["isheep.stage"] for span in stages.values())
    assert named == Counter(id_ for id_, _, _ in attempts)
    failed = [
        attributes_of(s.attributes)["isheep.attempt"] for s in stages.values() if s.status.code == 2
    ]
    assert failed == [1]
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)


@takes_long
def test_a_killed_operator_sends_no_span_twice(operators: OperatorFactory) -> None:
    with collector_of_spans() as received:
        environment, namespace = operators(tracing={"endpoint": received.url})
        environment.start()
        namespace.workers.set_behaviour("train", Hold())
        uid = namespace.create(Run().skip_to("i1/train"))["metadata"]["uid"]
        namespace.until_running("i1/train")
        (prepare,) = namespace.until(lambda: spans_of(received, uid))
        environment.operator.kill()
        environment.operator.start()
        namespace.workers.let_work("train")
        namespace.until_phase("Succeeded")
        expected = expected_ids(uid, attempts_of(namespace))
        namespace.until(lambda: len(spans_of(received, uid)) >= expected.total())
        environment.operator.stop()
    assert attributes_of(prepare.attributes)["isheep.stage"] == "prepare"
    assert Counter(span.span_id for span in spans_of(received, uid)) == expected
