"""The spans that an operator sends while a run works, fails and ends, and after a restart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from isheep.kube.observability.spans import Span, root_id, trace_id

from ..fake_cluster import FakeCluster, run_scenario
from ..scenarios import run_until_respond


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Span]:
    """The spans that operators with a collector send."""
    found: list[Span] = []

    class Recorder:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def emit(self, spans: Iterable[Span]) -> None:
            found.extend(spans)

    monkeypatch.setattr("isheep.kube.observability.traces.Tracer", Recorder)
    return found


def test_a_run_has_one_span_for_each_attempt_also_after_a_restart(sent: list[Span]) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.run_pod(job)
        cluster.fail(job, 74, "no space")
        await cluster.operator.run_due_passes()
        cluster.start_operator("next")
        await cluster.run_to_end()
        uid = cluster.uid()
        *stages, root = sent
        assert (root.span_id, root.parent_id, root.error) == (root_id(uid), None, None)
        assert {span.trace_id for span in sent} == {trace_id(uid)}
        assert {span.parent_id for span in stages} == {root_id(uid)}
        made = [
            (span.attributes["isheep.stage"], span.attributes["isheep.attempt"]) for span in stages
        ]
        attempts = [(r.id, n) for r in cluster.status().stages for n in range(1, r.attempts + 1)]
        assert sorted(made, key=str) == sorted(attempts, key=str)
        assert len({span.span_id for span in sent}) == len(sent)
        failed = [span for span in stages if span.error is not None]
        assert [span.attributes["isheep.attempt"] for span in failed] == [1]
        assert "no space" in str(failed[0].error)
        assert all(root.start <= span.start <= span.end <= root.end for span in stages)

    run_scenario(scenario, tracing={"endpoint": "http://collector"})


def test_without_a_collector_nothing_is_sent(sent: list[Span]) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await run_until_respond(cluster)

    run_scenario(scenario)
    assert sent == []
