"""The operator's own metrics, for Prometheus."""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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

from isheep.api.gpu_usage import GpuUsage
from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.choices import Phase
from isheep.kube.observability.attempt_failures import new_failures
from isheep.kube.observability.comparison_metrics import comparison_families
from isheep.kube.observability.run_figures import GpuFigures, RunFigures
from isheep.kube.observability.state_metrics import StateOfRun, state_families

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
        self.failed_attempts = Counter(
            "isheep_attempts_failed_total",
            "Failed attempts of stages that this operator has added to the statuses of runs.",
            ["stage", "reason"],
            registry=self.registry,
        )
        self.listed = Gauge(
            "isheep_last_list_timestamp_seconds",
            "When runs and Jobs were last listed.",
            registry=self.registry,
        )

        self.gpu_seconds = Counter(
            "isheep_gpu_seconds_total",
            "GPU seconds that this operator has added to the statuses of runs.",
            ["run_namespace", "resource"],
            registry=self.registry,
        )
        self.gpu_cost = Counter(
            "isheep_gpu_cost_total",
            "Cost that this operator has added to the statuses of runs.",
            ["run_namespace", "currency"],
            registry=self.registry,
        )

    def count_failures(self, before: SelfAlignmentRunStatus, after: SelfAlignmentRunStatus) -> None:
        """Count the failed attempts that a written status of a run adds."""
        for stage, reason, number in new_failures(before, after):
            self.failed_attempts.labels(stage, reason).inc(number)

    def count_gpus(self, namespace: str, before: GpuUsage | None, after: GpuUsage | None) -> None:
        """Count what a written status of a run adds to the GPU time and the cost of the run."""
        if after is None:
            return
        earlier = before or GpuUsage()
        for resource, seconds in after.seconds.items():
            added = seconds - earlier.seconds.get(resource, 0.0)
            self.gpu_seconds.labels(namespace, resource).inc(max(0.0, added))
        if after.prices is not None and after.cost is not None:
            added = after.cost - (earlier.cost or 0.0)
            self.gpu_cost.labels(namespace, after.prices.currency).inc(max(0.0, added))

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

    def states(self) -> Iterable[StateOfRun]:
        """Return the state of every run."""

    def holds_lease(self) -> bool:
        """Return whether this operator holds the Lease now."""

    def queued(self) -> int:
        """Return the number of runs that are due for a pass."""

    def figures(self) -> Iterable[tuple[datetime, str, str, RunFigures]]:
        """Return creation, namespace, name and figures of each run that has a verdict."""

    def gpu_figures(self) -> Iterable[tuple[str, GpuFigures]]:
        """Return the namespace and the GPU time of each run that has used GPUs."""

    def unreadable(self) -> Mapping[tuple[str, str], int]:
        """Return the number of objects that cannot be read, by resource and namespace."""

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
        yield GaugeMetricFamily(
            "isheep_lease_held",
            "1 if this operator holds the Lease now; an idle operator lets it expire.",
            value=int(self._source.holds_lease()),
        )
        yield from state_families(self._source.states(), MAX_RUNS)
        yield from self._figures()
        yield from self._gpus()
        unreadable = GaugeMetricFamily(
            "isheep_unreadable_objects",
            "Runs and Jobs that the operator cannot read, and leaves out.",
            labels=["resource", "run_namespace"],
        )
        for labels, number in sorted(self._source.unreadable().items()):
            unreadable.add_metric(labels, number)
        yield unreadable
        watches = GaugeMetricFamily(
            "isheep_watch_open",
            "1 if the watch is open, else 0; an empty watched_namespace is all namespaces.",
            labels=["resource", "watched_namespace"],
        )
        for resource, namespace, is_open in self._source.watch_states():
            watches.add_metric([resource, namespace or ""], int(is_open))
        yield watches

    def _gpus(self) -> Iterator[GaugeMetricFamily]:
        """Yield the GPU time and the cost of the runs that exist, by namespace."""
        seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        cost: defaultdict[tuple[str, str], float] = defaultdict(float)
        for namespace, figures in self._source.gpu_figures():
            for resource, value in figures.seconds.items():
                seconds[namespace, resource] += value
            if figures.cost is not None and figures.currency is not None:
                cost[namespace, figures.currency] += figures.cost
        for name, help_text, label, sums in (
            ("isheep_namespace_gpu_seconds", "GPU seconds", "resource", seconds),
            ("isheep_namespace_gpu_cost", "Cost", "currency", cost),
        ):
            family = GaugeMetricFamily(
                name, f"{help_text} of the runs that exist.", labels=["run_namespace", label]
            )
            for labels, value in sorted(sums.items()):
                family.add_metric(labels, value)
            yield family

    def _figures(self) -> Iterator[GaugeMetricFamily]:
        """Yield the figures of the newest runs that have a verdict."""
        found = sorted(self._source.figures(), key=itemgetter(0), reverse=True)
        yield from comparison_families(
            (namespace, name, figures) for _, namespace, name, figures in found[:MAX_RUNS]
        )
