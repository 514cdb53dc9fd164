"""The operator's real metrics with a value of each kind, as if every metric had been used once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from isheep.api.gpu_usage import GpuUsage, Prices
from isheep.api.status import Failure, SelfAlignmentRunStatus, StageRecord
from isheep.kube.observability.metrics import Metrics, RunsCollector
from isheep.kube.observability.run_figures import (
    BestFigures,
    ComparedFigures,
    GpuFigures,
    RunFigures,
    StateFigures,
)
from isheep.kube.observability.state_metrics import StateOfRun
from isheep.kube.process.watches import Watches

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


class FilledSource:
    """An operator with one stalled run, which has figures and GPU time."""

    def __init__(self) -> None:
        self._watches = Watches()
        self._watches.expect(None)

    def phases(self) -> Iterator[str]:
        yield "Stalled"

    def states(self) -> Iterator[StateOfRun]:
        yield StateOfRun("team", "run", "Stalled", StateFigures("SecretMissing", SINCE))

    def holds_lease(self) -> bool:
        return True

    def queued(self) -> int:
        return 1

    def figures(self) -> Iterator[tuple[datetime, str, str, RunFigures]]:
        comparisons = (
            ComparedFigures("Loss", -0.1, -0.2, 0.0, 200),
            ComparedFigures("Benchmark", 0.1, 0.05, 0.15, 500, name="arc"),
            ComparedFigures("BestBenchmark", 0.1, 0.05, 0.15, 500, name="arc"),
            ComparedFigures("WinRate", 0.6, 0.55, 0.65, 300, name="questions"),
            ComparedFigures("Grade", -2.0, -2.4, -1.6, 80, name="mt-bench", turns="all"),
        )
        yield SINCE, "team", "run", RunFigures(1, comparisons, BestFigures(2, "arc"))

    def gpu_figures(self) -> Iterator[tuple[str, GpuFigures]]:
        yield "team", GpuFigures({"nvidia.com/gpu": 60.0}, 1.0, "EUR")

    def unreadable(self) -> Mapping[tuple[str, str], int]:
        return {("jobs", "team"): 1}

    def watch_states(self) -> Iterator[tuple[str, str | None, bool]]:
        return self._watches.states()


def filled_metrics() -> Metrics:
    """Return metrics in which every counter has a series."""
    metrics = Metrics()
    metrics.registry.register(RunsCollector(FilledSource()))
    with metrics.passes.time():
        pass
    use(metrics)
    metrics.listed.set_to_current_time()
    return metrics


def use(metrics: Metrics) -> None:
    """Increment every counter."""
    metrics.pass_failures.labels("ApiError").inc()
    metrics.count_request("GET", 200)
    metrics.jobs.labels("respond").inc()
    metrics.refused_statuses.labels("413").inc()
    failed = SelfAlignmentRunStatus(
        stages=(StageRecord(id="i1/train", key="k", attempts=1, failures=1),),
        last_failure=Failure(stage="i1/train", reason="OutOfMemory"),
    )
    metrics.count_failures(SelfAlignmentRunStatus(), failed)
    prices = Prices(currency="EUR", per_hour={"nvidia.com/gpu": 1.0})
    usage = GpuUsage(seconds={"nvidia.com/gpu": 60.0}, cost=1.0, prices=prices)
    metrics.count_gpus("team", None, usage)
