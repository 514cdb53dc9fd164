"""The export of spans by OTLP over HTTP: the only importer of OpenTelemetry.

OpenTelemetry is imported only if the configuration names an endpoint. Its processor sends the spans
in batches from a thread of its own and drops what it cannot send, so a collector that does not
answer delays no pass. Variables such as OTEL_EXPORTER_OTLP_HEADERS work as everywhere.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from isheep.kube.config import ConfigError, TracingConfig
from isheep.kube.observability.spans import Span

SERVICE = "isheep-operator"
TRACES = "/v1/traces"
EXPORT_SECONDS = 5.0
"""How long the export of a batch may take, its retries included; the last one delays the end."""


class MissingLibraryError(ConfigError):
    """OpenTelemetry is not installed."""


class Tracer:
    """Sends spans to a collector."""

    def __init__(self, config: TracingConfig, *, instance: str) -> None:
        """Start the export; raises `MissingLibraryError`. `instance` identifies this process."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError as error:
            raise MissingLibraryError(
                f"tracing.endpoint is set, and OpenTelemetry is not installed ({error}): install "
                "isheep[tracing], or unset tracing.endpoint"
            ) from error
        exporter = OTLPSpanExporter(endpoint=traces_url(config.endpoint), timeout=EXPORT_SECONDS)
        self._processor = BatchSpanProcessor(exporter)
        names = {"service.name": SERVICE, "service.instance.id": instance}
        self._resource = Resource.create(names)
        atexit.register(self.close)

    def emit(self, spans: Iterable[Span]) -> None:
        """Put spans into the queue of the export."""
        for span in spans:
            self._processor.on_end(readable(span, self._resource))

    def close(self) -> None:
        """Send what is left, and end the export."""
        atexit.unregister(self.close)
        self._processor.shutdown()


def traces_url(endpoint: str) -> str:
    """Return the URL for traces; an endpoint without a path gets the usual one."""
    path = urlsplit(endpoint).path.rstrip("/")
    return endpoint if path else endpoint.rstrip("/") + TRACES


def readable(span: Span, resource: Any) -> Any:
    """Return a span as OpenTelemetry's exporters read it."""
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415
    from opentelemetry.trace import (  # noqa: PLC0415
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
    )

    sampled = TraceFlags(TraceFlags.SAMPLED)

    def context(span_id: int) -> SpanContext:
        return SpanContext(span.trace_id, span_id, is_remote=False, trace_flags=sampled)

    failed = Status(StatusCode.ERROR, span.error) if span.error is not None else None
    return ReadableSpan(
        name=span.name,
        context=context(span.span_id),
        parent=None if span.parent_id is None else context(span.parent_id),
        resource=resource,
        attributes=dict(span.attributes),
        kind=SpanKind.INTERNAL,
        status=failed or Status(StatusCode.OK),
        start_time=_nanoseconds(span.start),
        end_time=_nanoseconds(span.end),
        instrumentation_scope=InstrumentationScope("isheep"),
    )


def _nanoseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000) * 1000
