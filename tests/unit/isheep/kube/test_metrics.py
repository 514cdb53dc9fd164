"""Metrics: names, labels and values in the text for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from isheep.kube.metrics import MAX_RUNS, PHASES, Metrics, RunsCollector
from isheep.kube.run_figures import RunFigures


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return samples by name and the values of their labels."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}


class Runs:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.length = 0
        self.with_figures: list[tuple[datetime, str, str, RunFigures]] = []

    def phases(self) -> Iterable[str]:
        return iter(self.found)

    def queued(self) -> int:
        return self.length

    def figures(self) -> Iterable[tuple[datetime, str, str, RunFigures]]:
        return iter(self.with_figures)

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
    assert found["isheep_watch_open", "jobs", ""] == 1
    assert found["isheep_watch_open", "selfalignmentruns", "team"] == 0


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
        (start + timedelta(days=n), "team", f"run-{n}", RunFigures(n / 10 or None, n % 3))
        for n in range(MAX_RUNS + 1)
    ]
    found = values(metrics)
    assert found["isheep_run_loss_difference", "run-5", "team"] == 0.5
    assert found["isheep_run_alarms", "run-5", "team"] == 2
    shown = {key for key in found if key[0] == "isheep_run_alarms"}
    assert len(shown) == MAX_RUNS
    assert ("isheep_run_alarms", "run-0", "team") not in shown, "the oldest run"
