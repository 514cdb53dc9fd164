"""The export of spans to a real HTTP server, which decodes them as a collector does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from isheep.kube.config import ConfigError, OperatorConfig, TracingConfig
from isheep.kube.observability.spans import Span
from isheep.kube.observability.traces import Traces, traces_of
from isheep.kube.observability.tracing import Tracer, traces_url

from ..span_collector import Collector, attributes_of, collector_of_spans

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, 0, 1, 2, 500000, tzinfo=UTC)
SPAN = Span(
    name="train",
    trace_id=2**127 + 1,
    span_id=7,
    parent_id=9,
    start=START,
    end=END,
    attributes={"isheep.stage": "i1/train", "isheep.attempt": 2, "isheep.gpus.x": 1.5},
    error="Defect: a bug",
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collector_of_spans() as found:
        yield found


def test_a_collector_gets_the_spans_with_their_ids_times_and_attributes(
    collector: Collector,
) -> None:
    tracer = Tracer(TracingConfig(endpoint=collector.url), instance="operator-0")
    root = Span("run", SPAN.trace_id, 9, None, START, END)
    tracer.emit([SPAN, root])
    tracer.close()
    assert set(collector.paths) == {"/v1/traces"}
    stage, run = collector.spans()
    assert stage.trace_id == run.trace_id == SPAN.trace_id.to_bytes(16, "big")
    assert (stage.span_id, stage.parent_span_id) == (bytes(7) + b"\x07", bytes(7) + b"\x09")
    assert (run.span_id, run.parent_span_id) == (bytes(7) + b"\x09", b"")
    assert stage.start_time_unix_nano == int(START.timestamp()) * 10**9
    assert stage.end_time_unix_nano - stage.start_time_unix_nano == 62_500_000_000
    assert attributes_of(stage.attributes) == SPAN.attributes
    assert (stage.status.code, stage.status.message) == (2, "Defect: a bug")
    assert run.status.code == 1
    resource = attributes_of(collector.requests[0].resource_spans[0].resource.attributes)
    assert resource["service.name"] == "isheep-operator"
    assert resource["service.instance.id"] == "operator-0"


def test_the_process_sends_the_last_spans_at_its_end(collector: Collector) -> None:
    program = f"""
from datetime import UTC, datetime
from isheep.kube.config import TracingConfig
from isheep.kube.observability.spans import Span
from isheep.kube.observability.tracing import Tracer
now = datetime.now(UTC)
tracer = Tracer(TracingConfig(endpoint={collector.url!r}), instance="x")
tracer.emit([Span("last", 1, 2, None, now, now)])
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert [span.name for span in collector.spans()] == ["last"]


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://c:4318", "http://c:4318/v1/traces"),
        ("http://c:4318/", "http://c:4318/v1/traces"),
        ("https://c/otlp/v1/traces", "https://c/otlp/v1/traces"),
    ],
)
def test_an_endpoint_without_a_path_gets_the_usual_one(endpoint: str, url: str) -> None:
    assert traces_url(endpoint) == url


def test_without_an_endpoint_there_are_no_traces_and_nothing_is_imported() -> None:
    program = """
import sys
from isheep.kube.observability.traces import traces_of
traces_of(None, "x")
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_missing_library_is_an_error_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(ConfigError, match=r"install isheep\[tracing\], or unset tracing.endpoint"):
        traces_of(TracingConfig(endpoint="http://c"), "x")


@pytest.mark.parametrize("endpoint", ["c:4318", "grpc://c:4317", "http://", "http://c /x"])
def test_an_endpoint_is_a_url_of_http(endpoint: str) -> None:
    document = {"workerImage": "i", "tracing": {"endpoint": endpoint}}
    with pytest.raises(ValueError, match="endpoint"):
        OperatorConfig.read(document)


def test_a_run_that_has_ended_leaves_nothing_in_memory() -> None:
    from ...planner.simulation import make_run
    from .test_spans import COMMITTED, a_status, after, an_attempt

    sent: list[Span] = []
    traces = Traces(sent.extend)
    run = make_run()
    traces.note(run, a_status(COMMITTED), [an_attempt()], after(105))
    assert [span.name for span in sent] == ["train"]
    assert traces._ends == {"uid-1": {"run-train-a": after(100)}}
    traces.note(run, a_status(COMMITTED), [], after(106))
    assert traces._ends == {}
