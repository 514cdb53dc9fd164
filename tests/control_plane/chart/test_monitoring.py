"""The objects for Prometheus, Grafana and kube-state-metrics: optional, with existing metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import yaml

from isheep.kube import names
from isheep.kube.observability.metrics import Metrics, RunsCollector

from ..harness.filled_source import FilledSource, filled_metrics

NAME = re.compile(r"\bisheep_[a-z_]+")


def metric_names(metrics: Metrics) -> set[str]:
    """Return the names of all series."""
    return {sample.name for family in metrics.registry.collect() for sample in family.samples}


def board_queries(board: Any) -> Iterator[str]:
    """Yield the queries of a board's panels."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def unknown(queries: Iterable[str], known: set[str]) -> set[str]:
    """Return the metrics in queries that the operator does not have."""
    return {name for query in queries for name in NAME.findall(query)} - known


def config_maps(rendered: Any, suffix: str) -> list[Any]:
    """Return the ConfigMaps whose names have a suffix."""
    return [c for c in rendered.all("ConfigMap") if c["metadata"]["name"].endswith(suffix)]


@pytest.fixture(scope="module")
def known() -> set[str]:
    return metric_names(filled_metrics())


def test_an_unknown_metric_is_found(known: set[str]) -> None:
    assert unknown(["sum(isheep_watch_opened)"], known) == {"isheep_watch_opened"}


def test_the_alerts_are_optional_and_use_metrics_of_the_operator(
    chart: Any, known: set[str]
) -> None:
    assert not chart.render().all("PrometheusRule")
    wanted = {"enabled": True, "labels": {"a": "b"}, "stalledSeconds": 60, "failedAttempts": 3}
    rule = chart.render({"metrics": {"prometheusRule": wanted}}).one("PrometheusRule")
    assert rule["metadata"]["labels"]["a"] == "b"
    (group,) = rule["spec"]["groups"]
    alerts = {alert["alert"]: alert for alert in group["rules"]}
    assert len(alerts) == 7
    assert not unknown((alert["expr"] for alert in alerts.values()), known)
    for alert in alerts.values():
        assert NAME.search(alert["expr"])
        assert alert["labels"]["severity"] in ("warning", "critical")
    assert alerts["IsheepRunStalled"]["expr"].endswith("> 60")
    assert alerts["IsheepAttemptsFail"]["expr"].endswith("> 3")
    assert "{{ $labels.resource }}" in alerts["IsheepWatchLost"]["annotations"]["summary"]


def test_the_board_is_optional_and_its_queries_use_metrics_of_the_operator(
    chart: Any, known: set[str]
) -> None:
    assert not config_maps(chart.render(), "-dashboard")
    values = {"enabled": True, "annotations": {"grafana_folder": "ML"}}
    rendered = chart.render({"metrics": {"dashboard": values}})
    (found,) = config_maps(rendered, "-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "ML"}
    board = json.loads(found["data"]["isheep.json"])
    assert not unknown(board_queries(board), known)
    assert [panel["id"] for panel in board["panels"]] == [*range(1, len(board["panels"]) + 1)]


def test_every_metric_of_runs_is_on_the_board_or_in_an_alert(chart: Any) -> None:
    board = json.loads((chart.path / "files" / "dashboard.json").read_text("utf-8"))
    rule = chart.render({"metrics": {"prometheusRule": {"enabled": True}}}).one("PrometheusRule")
    alerts = (alert["expr"] for alert in rule["spec"]["groups"][0]["rules"])
    shown = " ".join((*board_queries(board), *alerts))
    exempt = {"isheep_runs", "isheep_namespace_gpu_cost"}
    families = {family.name for family in RunsCollector(FilledSource()).collect()} - exempt
    assert not {name for name in families if name not in shown}


def test_the_pod_monitor_selects_the_pods_of_runs(chart: Any) -> None:
    assert not chart.render().all("PodMonitor")
    monitor = {"enabled": True, "interval": "1m", "labels": {"release": "prometheus"}}
    found = chart.render({"metrics": {"podMonitor": monitor}}).one("PodMonitor")
    assert found["metadata"]["labels"]["release"] == "prometheus"
    spec = found["spec"]
    assert spec["namespaceSelector"] == {"any": True}
    is_worker = [{"key": names.RUN_UID_LABEL, "operator": "Exists"}]
    assert spec["selector"] == {"matchExpressions": is_worker}
    assert set(spec["podTargetLabels"]) <= {"isheep.dev/run", names.STAGE_LABEL}
    endpoint = {"port": "http", "path": "/metrics", "interval": "1m"}
    assert spec["podMetricsEndpoints"] == [endpoint]
    values = {"metrics": {"podMonitor": monitor}, "watchNamespaces": ["a", "b"]}
    spec = chart.render(values).one("PodMonitor")["spec"]
    assert spec["namespaceSelector"] == {"matchNames": ["a", "b"]}


def test_the_configuration_of_kube_state_metrics_is_optional(chart: Any) -> None:
    rendered = chart.render({"metrics": {"customResourceState": {"enabled": True}}})
    (found,) = config_maps(rendered, "-custom-resource-state")
    text = (chart.path / "files" / "custom-resource-state.yaml").read_text("utf-8")
    assert yaml.safe_load(found["data"]["config.yaml"]) == yaml.safe_load(text)
    assert not config_maps(chart.render(), "-custom-resource-state")
