"""The operator's own metrics, for Prometheus."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import itemgetter
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
from isheep.kube.run_figures import RunFigures

PHASES = get_args(Phase)
_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

MAX_RUNS = 200
"""The largest number of runs with metrics of their own, so that the number of series is bounded."""


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
        self.refused_statuses = Counter(
            "isheep_status_refused_total",
            "Writes of a run's status that the API server refused, by HTTP status.",
            ["status"],
            registry=self.registry,
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

    def figures(self) -> Iterable[tuple[datetime, str, str, RunFigures]]:
        """Return creation, namespace, name and figures of each run that has a verdict."""

    def watch_states(self) -> Iterable[tuple[str, str | None, bool]]:
        """Return resource, namespace (None for all) and whether it is open, for each watch."""


class RunsCollector(Collector):
    """Counts runs by phase, and shows the queue and the watches, at each scrape."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the runs by phase, the length of the queue, and the watches."""
        runs = GaugeMetricFamily("isheep_runs", "Runs by phase.", labels=["phase"])
        tally = Tally(self._source.phases())
        for phase in PHASES:
            runs.add_metric([phase], tally[phase])
        yield runs
        yield GaugeMetricFamily(
            "isheep_queue_length", "Runs that wait for a pass.", value=self._source.queued()
        )
        yield from self._figures()
        watches = GaugeMetricFamily(
            "isheep_watch_open",
            "1 if the watch is open, else 0; an empty watched_namespace is all namespaces.",
            labels=["resource", "watched_namespace"],
        )
        for resource, namespace, is_open in self._source.watch_states():
            watches.add_metric([resource, namespace or ""], int(is_open))
        yield watches

    def _figures(self) -> Iterator[GaugeMetricFamily]:
        """Yield the figures of the newest runs that have a verdict."""
        difference = GaugeMetricFamily(
            "isheep_run_loss_difference",
            "Loss of the newest M(t) on the yardstick minus that of M(0), in nats a token.",
            labels=["run_namespace", "run"],
        )
        alarms = GaugeMetricFamily(
            "isheep_run_alarms",
            "Alarms of the guards at the newest M(t).",
            labels=["run_namespace", "run"],
        )
        found = sorted(self._source.figures(), key=itemgetter(0), reverse=True)
        for _, namespace, name, figures in found[:MAX_RUNS]:
            alarms.add_metric([namespace, name], figures.alarms)
            if figures.difference is not None:
                difference.add_metric([namespace, name], figures.difference)
        yield difference
        yield alarms
