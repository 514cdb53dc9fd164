"""The operator's own metrics, for Prometheus."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from typing import Protocol, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from isheep.contract.choices import Phase

PHASES = get_args(Phase)
_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The operator's counters, gauges and histograms."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.passes = Histogram(
            "isheep_pass_duration_seconds",
            "Duration of passes over a run.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.pass_failures = Counter(
            "isheep_pass_failures_total",
            "Passes that ended in an error and are repeated.",
            ["error"],
            registry=self.registry,
        )
        self.requests = Counter(
            "isheep_api_requests_total",
            "Requests to the API server.",
            ["method", "status"],
            registry=self.registry,
        )
        self.jobs = Counter(
            "isheep_jobs_created_total", "Jobs created.", ["stage"], registry=self.registry
        )
        self.listed = Gauge(
            "isheep_last_list_timestamp_seconds",
            "When runs and Jobs were last listed.",
            registry=self.registry,
        )

    def count_request(self, method: str, status: int) -> None:
        """Count a request."""
        self.requests.labels(method, str(status or "none")).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class Source(Protocol):
    """The state that `RunsCollector` reads."""

    def phases(self) -> Iterable[str]:
        """Return the phase of every run."""

    def queued(self) -> int:
        """Return the number of runs that are due for a pass."""


class RunsCollector(Collector):
    """Counts runs by phase, and the length of the queue, at each scrape."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the runs by phase, then the length of the queue."""
        runs = GaugeMetricFamily("isheep_runs", "Runs by phase.", labels=["phase"])
        tally = Tally(self._source.phases())
        for phase in PHASES:
            runs.add_metric([phase], tally[phase])
        yield runs
        yield GaugeMetricFamily(
            "isheep_queue_length", "Runs that wait for a pass.", value=self._source.queued()
        )
