"""The alerts and the board under the real promtool and Prometheus.

The board's queries are asked of the operator's real metrics, each with a value, because no operator
has a failure, an alarm and a refused status at the same time.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from .chart.conftest import CHART, Chart
from .harness.filled_source import filled_metrics, use
from .harness.namespace_fixture import NamespaceFixture
from .harness.prometheus import Prometheus, prometheus_files
from .harness.runs import Run
from .harness.servers import binaries
from .harness.waiting import until

pytestmark = pytest.mark.long

VARIABLES = {"$run_namespace": ".*", "$__rate_interval": "1m"}
LABELS = 'namespace="system"'
STALLED = f'isheep_run_stalled_since_timestamp_seconds{{{LABELS},run_namespace="a",run="r"}}'
LISTED = "isheep_last_list_timestamp_seconds"
WATCH = f'isheep_watch_open{{{LABELS},resource="jobs",watched_namespace=""}}'
UNREADABLE = f'isheep_unreadable_objects{{{LABELS},resource="jobs",run_namespace="a"}}'
PASSES = f'isheep_pass_failures_total{{{LABELS},error="ApiError"}}'
REFUSED = f'isheep_status_refused_total{{{LABELS},status="413"}}'
ATTEMPTS = f'isheep_attempts_failed_total{{{LABELS},stage="train",reason="OutOfMemory"}}'
FIRES = {
    "IsheepWatchLost": (WATCH, "0x90", "10m"),
    "IsheepObjectUnreadable": (UNREADABLE, "1x90", "10m"),
    "IsheepOperatorMissing": ("up", "0x90", "11m"),
    "IsheepPassesFail": (PASSES, "0+2x90", "30m"),
    "IsheepRunStalled": (STALLED, "0x90", "61m"),
    "IsheepStatusRefused": (REFUSED, "_x19 1x80", "22m"),
    "IsheepAttemptsFail": (ATTEMPTS, "0+1x90", "61m"),
}
"""A series, its values in each minute, and a time at which the alert fires."""
QUIET = {
    "IsheepWatchLost": (WATCH, "0 1x90", "10m"),
    "IsheepObjectUnreadable": (UNREADABLE, "1 1 0x90", "10m"),
    "IsheepOperatorMissing": (LISTED, "1x90", "11m"),
    "IsheepPassesFail": (PASSES, "0+0.5x90", "30m"),
    "IsheepRunStalled": (STALLED, "0x90", "59m"),
    "IsheepStatusRefused": (REFUSED, "1x90", "30m"),
    "IsheepAttemptsFail": (ATTEMPTS, "0+0.1x90", "61m"),
}
"""The same just below the threshold."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules of the chart as a file for Prometheus."""
    folder = tmp_path_factory.mktemp("rules")
    chart = Chart(binaries() / "helm", folder)
    rendered = chart.render({"metrics": {"prometheusRule": {"enabled": True}}})
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump(rendered.one("PrometheusRule")["spec"]))
    return file


def promtool(*arguments: str) -> str:
    """Run promtool, and return its output."""
    command = [str(prometheus_files() / "promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_alerts(rules: Path) -> None:
    assert "SUCCESS: 7 rules found" in promtool("check", "rules", "--lint=all", str(rules))


def firing(alert: str, case: tuple[str, str, str], count: int) -> dict[str, Any]:
    """Return a test of promtool: how often an alert fires with a series at a time."""
    series, values, time = case
    inputs = [{"series": series, "values": values}]
    if alert != "IsheepOperatorMissing":
        inputs.append({"series": LISTED, "values": "1x90"})
    question = {
        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
        "eval_time": time,
        "exp_samples": [{"labels": "{}", "value": count}],
    }
    other = {
        "expr": f'count(ALERTS{{alertname!="{alert}",alertstate="firing"}}) or vector(0)',
        "eval_time": time,
        "exp_samples": [{"labels": "{}", "value": 0}],
    }
    name = f"{alert} fires {count} times"
    questions = [question, other]
    return {"name": name, "interval": "1m", "input_series": inputs, "promql_expr_test": questions}


def test_each_alert_fires_above_its_threshold_and_not_below(rules: Path, tmp_path: Path) -> None:
    alerts = {rule["alert"] for rule in yaml.safe_load(rules.read_text())["groups"][0]["rules"]}
    assert alerts == set(FIRES) == set(QUIET)
    tests = [firing(alert, case, 1) for alert, case in FIRES.items()]
    tests += [firing(alert, case, 0) for alert, case in QUIET.items()]
    file = tmp_path / "tests.yaml"
    document = {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(yaml.safe_dump(document))
    promtool("test", "rules", str(file))


@pytest.fixture(scope="module")
def filled() -> Iterator[int]:
    """The port of the filled metrics, whose counters grow with each read."""
    metrics = filled_metrics()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            use(metrics)
            with metrics.passes.time():
                pass
            text = metrics.text()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def queries() -> list[str]:
    """Return the queries of the board with the values of its variables."""
    board = json.loads((CHART / "files" / "dashboard.json").read_text("utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [query.replace(name, value) for query in found]
    return found


def test_each_query_of_the_board_returns_something(
    filled: int, rules: Path, tmp_path: Path
) -> None:
    prometheus = Prometheus(tmp_path / "prometheus", filled, rules).start()
    try:
        for query in queries():
            assert "$" not in query
            until(partial(prometheus.query, query), otherwise=f"{query} returns nothing")
        loaded = until(
            lambda: [r for r in prometheus.rules() if r["health"] != "unknown"] or None,
            otherwise=prometheus.log,
        )
        assert {rule["health"] for rule in loaded} == {"ok"}
    finally:
        prometheus.stop()


def test_prometheus_reads_a_running_operator(namespace: NamespaceFixture) -> None:
    namespace.create(Run().skip_to("i1/train"))
    namespace.until_phase("Succeeded")
    folder = namespace.operator.folder / f"prometheus-{namespace.name}"
    prometheus = Prometheus(folder, namespace.operator.port).start()
    try:
        query = f'isheep_runs_by_reason{{run_namespace="{namespace.name}",phase="Succeeded"}}'
        (found,) = until(lambda: prometheus.query(query), otherwise=prometheus.log)
        assert found["value"][1] == "1"
        assert prometheus.query("sum(isheep_jobs_created_total) > 0")
        assert prometheus.query("min(isheep_watch_open)")[0]["value"][1] == "1"
    finally:
        prometheus.stop()
