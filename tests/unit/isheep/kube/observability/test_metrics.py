"""Metrics: names, labels and values in the text for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from isheep.api.gpu_usage import GpuUsage, Prices
from isheep.api.status import Failure, SelfAlignmentRunStatus, StageRecord
from isheep.kube.observability.metrics import MAX_RUNS, PHASES, Metrics, RunsCollector
from isheep.kube.observability.run_figures import (
    ComparedFigures,
    GpuFigures,
    RunFigures,
    StateFigures,
)
from isheep.kube.observability.state_metrics import StateOfRun


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return samples by name and the values of their labels."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}


class Runs:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.length = 0
        self.has_lease = False
        self.of_runs: list[StateOfRun] = []
        self.with_gpus: list[tuple[str, GpuFigures]] = []
        self.with_figures: list[tuple[datetime, str, str, RunFigures]] = []

    def phases(self) -> Iterable[str]:
        return iter(self.found)

    def queued(self) -> int:
        return self.length

    def figures(self) -> Iterable[tuple[datetime, str, str, RunFigures]]:
        return iter(self.with_figures)

    def gpu_figures(self) -> Iterable[tuple[str, GpuFigures]]:
        return iter(self.with_gpus)

    def states(self) -> Iterable[StateOfRun]:
        return iter(self.of_runs)

    def holds_lease(self) -> bool:
        return self.has_lease

    def unreadable(self) -> Mapping[tuple[str, str], int]:
        return {("jobs", "team"): 2}

    def watch_states(self) -> Iterable[tuple[str, str | None, bool]]:
        return [("jobs", None, True), ("selfalignmentruns", "team", False)]


def test_counters_have_their_labels() -> None:
    metrics = Metrics()
    metrics.count_request("GET", 200)
    metrics.count_request("GET", 200)
    metrics.count_request("POST", 0)
    metrics.pass_failures.labels("ApiError").inc()
    metrics.jobs.labels("respond").inc()
    found = values(metrics)
    assert found["isheep_api_requests_total", "GET", "200"] == 2
    assert found["isheep_api_requests_total", "POST", "none"] == 1
    assert found["isheep_pass_failures_total", "ApiError"] == 1
    assert found["isheep_jobs_created_total", "respond"] == 1


def test_passes_are_timed_and_the_last_list_has_its_time() -> None:
    metrics = Metrics()
    with metrics.passes.time():
        pass
    metrics.listed.set(1234)
    found = values(metrics)
    assert found["isheep_pass_duration_seconds_count",] == 1
    assert found["isheep_last_list_timestamp_seconds",] == 1234


def test_runs_are_counted_at_each_read() -> None:
    metrics, runs = Metrics(), Runs()
    metrics.registry.register(RunsCollector(runs))
    before = values(metrics)
    assert {before["isheep_runs", phase] for phase in PHASES} == {0}
    runs.found, runs.length = ["Running", "Stalled", "Running"], 7
    found = values(metrics)
    assert (found["isheep_runs", "Running"], found["isheep_runs", "Stalled"]) == (2, 1)
    assert found["isheep_runs", "Failed"] == 0
    assert found["isheep_queue_length",] == 7
    assert found["isheep_unreadable_objects", "jobs", "team"] == 2
    assert found["isheep_watch_open", "jobs", ""] == 1
    assert found["isheep_watch_open", "selfalignmentruns", "team"] == 0


def test_reasons_stalled_runs_and_the_lease_are_shown() -> None:
    metrics, runs = Metrics(), Runs()
    metrics.registry.register(RunsCollector(runs))
    assert values(metrics)["isheep_lease_held",] == 0
    runs.has_lease = True
    since = datetime(2026, 1, 1, tzinfo=UTC)
    missing = StateFigures("SecretMissing", since)
    runs.of_runs = [StateOfRun("team", "a", "Stalled", missing)]
    found = values(metrics)
    assert found["isheep_lease_held",] == 1
    assert found["isheep_runs_by_reason", "Stalled", "SecretMissing", "team"] == 1
    stalled = "isheep_run_stalled_since_timestamp_seconds", "SecretMissing", "a", "team"
    assert found[stalled] == since.timestamp()


def test_failed_attempts_of_written_statuses_are_counted_by_stage_and_reason() -> None:
    def status(failures: int) -> SelfAlignmentRunStatus:
        return SelfAlignmentRunStatus(
            stages=(StageRecord(id="i1/train", key="k", attempts=failures, failures=failures),),
            last_failure=Failure(stage="i1/train", reason="OutOfMemory") if failures else None,
        )

    metrics = Metrics()
    metrics.count_failures(status(0), status(1))
    metrics.count_failures(status(1), status(1))
    metrics.count_failures(status(1), status(2))
    found = values(metrics)
    assert found["isheep_attempts_failed_total", "OutOfMemory", "train"] == 2


def test_two_operators_have_separate_metrics_and_the_process_is_measured() -> None:
    one, other = Metrics(), Metrics()
    one.count_request("GET", 200)
    assert ("isheep_api_requests_total", "GET", "200") not in values(other)
    assert values(one)["process_resident_memory_bytes",] > 0


def test_the_newest_runs_show_their_comparison_with_the_base() -> None:
    metrics, runs = Metrics(), Runs()
    metrics.registry.register(RunsCollector(runs))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    runs.with_figures = [
        (
            start + timedelta(days=n),
            "team",
            f"run-{n}",
            RunFigures(n % 3, (ComparedFigures("Loss", n / 10),)),
        )
        for n in range(MAX_RUNS + 1)
    ]
    found = values(metrics)
    assert found["isheep_run_loss_difference", "run-5", "team"] == 0.5
    assert found["isheep_run_alarms", "run-5", "team"] == 2
    shown = {key for key in found if key[0] == "isheep_run_alarms"}
    assert len(shown) == MAX_RUNS
    assert ("isheep_run_alarms", "run-0", "team") not in shown, "the oldest run"


def test_the_gpu_time_of_the_runs_that_exist_is_summed_by_namespace() -> None:
    metrics, runs = Metrics(), Runs()
    metrics.registry.register(RunsCollector(runs))
    runs.with_gpus = [
        ("a", GpuFigures({"nvidia.com/gpu": 10.0}, 1.5, "EUR")),
        ("a", GpuFigures({"nvidia.com/gpu": 5.0, "nvidia.com/mig-1g.10gb": 2.0})),
        ("b", GpuFigures({"nvidia.com/gpu": 1.0}, 2.0, "EUR")),
    ]
    found = values(metrics)
    assert found["isheep_namespace_gpu_seconds", "nvidia.com/gpu", "a"] == 15
    assert found["isheep_namespace_gpu_seconds", "nvidia.com/mig-1g.10gb", "a"] == 2
    assert found["isheep_namespace_gpu_seconds", "nvidia.com/gpu", "b"] == 1
    assert found["isheep_namespace_gpu_cost", "EUR", "a"] == 1.5


def test_what_written_statuses_add_is_counted_and_a_restart_counts_nothing_twice() -> None:
    prices = Prices(currency="EUR", per_hour={"nvidia.com/gpu": 2.5})

    def used(seconds: float, cost: float | None) -> GpuUsage:
        return GpuUsage(seconds={"nvidia.com/gpu": seconds}, cost=cost, prices=prices)

    metrics = Metrics()
    metrics.count_gpus("a", None, None)
    metrics.count_gpus("a", used(1000, 9.0), used(1030, 9.5))
    metrics.count_gpus("a", None, used(12, None))
    metrics.count_gpus("b", used(5, 1.0), used(5, 1.0))
    found = values(metrics)
    assert found["isheep_gpu_seconds_total", "nvidia.com/gpu", "a"] == 42
    assert found["isheep_gpu_seconds_total", "nvidia.com/gpu", "b"] == 0
    assert found["isheep_gpu_cost_total", "EUR", "a"] == 0.5
