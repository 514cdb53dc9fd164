"""The configuration of kube-state-metrics: its paths in the CRD, and its values of a run.

kube-state-metrics itself is not in the tests. `series` follows its documentation: a list or a map
at a path gives a series for each element, labels are read relative to the element, an absent label
is left out, an absent value gives no series (with `nilIsZero` it is 0), a text of true or false is
1 or 0, and a time is in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from isheep.api.generation.crd import crd
from isheep.api.gpu_usage import GpuUsage, Prices
from isheep.api.status import (
    BenchmarkRecord,
    BestRecord,
    GradeRecord,
    IterationRecord,
    JudgementRecord,
    SecondTurnRecord,
    SelfAlignmentRunStatus,
    StageRecord,
    YardstickRecord,
)
from isheep.contract.choices import Phase
from isheep.planner.conditions import RunPhase, State, conditions

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "charts" / "isheep-operator" / "files" / "custom-resource-state.yaml"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
(RESOURCE,) = yaml.safe_load(FILE.read_text("utf-8"))["spec"]["resources"]
METRICS = {metric["name"]: metric for metric in RESOURCE["metrics"]}
FieldPath = Sequence[str]
Series = dict[tuple[tuple[str, str], ...], float]


def at(value: Any, path: FieldPath) -> Any:
    """Return the value at a path, or None."""
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def number(value: Any) -> float:
    """Return a value as kube-state-metrics shows it."""
    if isinstance(value, bool | int | float):
        return float(value)
    if value.lower() in ("true", "false"):
        return float(value.lower() == "true")
    return datetime.fromisoformat(value).timestamp()


def elements(found: Any, each: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], Any]]:
    """Yield the labels and the value of each element at the path of a gauge."""
    if isinstance(found, Mapping) and "labelFromKey" in each:
        for key, value in found.items():
            yield {each["labelFromKey"]: key}, value
        return
    for element in found if isinstance(found, list) else [found]:
        labels = read_labels(element, each)
        yield labels, at(element, each["valueFrom"]) if "valueFrom" in each else element


def read_labels(value: Any, owner: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels that are found in a value."""
    read = {k: at(value, path) for k, path in owner.get("labelsFromPath", {}).items()}
    return {k: str(label) for k, label in read.items() if label is not None}


def series(name: str, document: Mapping[str, Any]) -> Series:
    """Return the values of a metric by its labels, without those of the resource."""
    metric = METRICS[name]
    each = metric["each"]
    kind = each["type"]
    common = read_labels(document, metric)
    if kind == "Info":
        labels = {k: at(document, path) for k, path in each["info"]["labelsFromPath"].items()}
        return {tuple(labels.items()): 1.0}
    if kind == "StateSet":
        wanted = each["stateSet"]
        found = at(document, wanted["path"])
        return {((wanted["labelName"], one),): float(one == found) for one in wanted["list"]}
    gauge = each["gauge"]
    found = at(document, gauge["path"])
    if found is None:
        return {}
    return {
        tuple({**common, **labels}.items()): number(0 if value is None else value)
        for labels, value in elements(found, gauge)
        if value is not None or gauge.get("nilIsZero")
    }


def document(phase: RunPhase, reason: str) -> dict[str, Any]:
    """Return a run whose status has all fields that the metrics show."""
    usage = GpuUsage(seconds={"nvidia.com/gpu": 7.5}, cost=2.0, prices=Prices(currency="EUR"))
    status = SelfAlignmentRunStatus(
        observed_generation=2,
        phase=phase.value,
        conditions=conditions(State(phase, reason, "why"), (), 2, NOW),
        iteration=1,
        stages=(
            StageRecord(id="prepare", key="a", attempts=1, committed=True),
            StageRecord(id="i1/train", key="b", attempts=3, failures=2),
        ),
        start_time=NOW,
        completion_time=NOW,
        gpu=usage,
    )
    metadata = {"name": "run", "namespace": "team", "generation": 2}
    metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "spec": {"recipe": "ISheep"}, "status": status.document()}


def schema_at(path: FieldPath) -> Any:
    """Return the schema of a field of the CRD, or None."""
    (version,) = crd()["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    for part in path:
        if "items" in schema:
            schema = schema["items"]
        schema = (schema.get("properties") or {}).get(part)
        if schema is None:
            return None
    return schema


def paths() -> Iterator[list[str]]:
    """Yield every path of the configuration, from the root of a run."""
    yield from RESOURCE["labelsFromPath"].values()
    for metric in METRICS.values():
        yield from metric.get("labelsFromPath", {}).values()
        (each,) = (value for key, value in metric["each"].items() if key != "type")
        base = each.get("path", [])
        yield base
        for inner in each.get("labelsFromPath", {}).values():
            yield [*base, *inner]
        if "valueFrom" in each:
            yield [*base, *each["valueFrom"]]


@pytest.mark.parametrize("path", list(paths()), ids=".".join)
def test_every_path_is_a_field_of_the_crd(path: list[str]) -> None:
    in_metadata = ("name", "namespace", "generation", "creationTimestamp")
    if path[:1] == ["metadata"]:
        assert path[1] in in_metadata
    elif path:
        assert schema_at(path) is not None


def test_the_resource_is_ours_and_all_phases_are_listed() -> None:
    definition = crd()["spec"]
    wanted = {"group": definition["group"], "version": "v1alpha1"}
    assert RESOURCE["groupVersionKind"] == {**wanted, "kind": definition["names"]["kind"]}
    assert set(METRICS["phase"]["each"]["stateSet"]["list"]) == set(get_args(Phase))


def test_a_field_that_a_run_does_not_have_yet_is_no_error_in_the_log() -> None:
    # 0 is the default. kube-state-metrics would log each of the fields at each change of a run.
    assert RESOURCE["errorLogV"] > 0
    new = {**document(RunPhase.PENDING, "Starting"), "status": {"observedGeneration": -1}}
    gauges = [name for name, metric in METRICS.items() if metric["each"]["type"] == "Gauge"]
    shown = {name for name in gauges if series(name, new)}
    assert shown == {"created_timestamp_seconds", "generation", "observed_generation"}


def test_a_stalled_run_has_these_values() -> None:
    run = document(RunPhase.STALLED, "SecretMissing")
    assert series("info", run) == {(("recipe", "ISheep"),): 1}
    assert series("generation", run) == series("observed_generation", run) == {(): 2}
    phases = series("phase", run)
    assert [label for label, value in phases.items() if value] == [(("phase", "Stalled"),)]
    assert series("condition", run) == {
        (("type", "Ready"), ("reason", "SecretMissing")): 0,
        (("type", "Stalled"), ("reason", "SecretMissing")): 1,
    }
    changed = series("condition_changed_timestamp_seconds", run)
    assert changed[("type", "Stalled"),] == NOW.timestamp()
    assert series("stage_failed_attempts", run)[("stage", "i1/train"),] == 2
    assert series("stage_committed", run)[("stage", "prepare"),] == 1
    assert series("gpu_seconds", run) == {(("resource", "nvidia.com/gpu"),): 7.5}
    assert series("gpu_cost", run) == {(("currency", "EUR"),): 2}
    times = ("created", "started", "completed")
    assert {series(f"{name}_timestamp_seconds", run)[()] for name in times} == {NOW.timestamp()}
    assert series("iteration", run) == {(): 1}


def compared() -> dict[str, Any]:
    """Return a run with M(0), M(1) with all comparisons, and M(2) with too few items."""
    ends = {"lower": -0.5, "upper": 0.5}
    history = (
        IterationRecord(iteration=0, yardstick=YardstickRecord(items=200)),
        IterationRecord(
            iteration=1,
            yardstick=YardstickRecord(items=200, difference=-0.1, **ends),
            benchmark=BenchmarkRecord(name="arc", items=500, difference=0.1, **ends),
            judgement=JudgementRecord(name="open", items=300, rate=0.6, lower=0.5, upper=0.7),
            grades=GradeRecord(
                name="mt",
                items=80,
                mean=5.5,
                difference=-2.0,
                **ends,
                second_turn=SecondTurnRecord(items=64, mean=3.5, difference=-4.0, **ends),
            ),
        ),
        IterationRecord(
            iteration=2, benchmark=BenchmarkRecord(name="arc", items=8, difference=0.3)
        ),
    )
    best = BestRecord(iteration=1, metric="arc")
    status = SelfAlignmentRunStatus(history=history, best=best).document()
    return {**document(RunPhase.RUNNING, "Progressing"), "status": status}


def test_each_model_has_its_comparisons_with_interval_and_items() -> None:
    run = compared()
    first = ("iteration", "1")
    arc = ("benchmark", "arc")
    assert series("best_iteration", run) == {(("metric", "arc"),): 1}
    assert series("loss_difference", run) == {(first,): -0.1}
    assert series("loss_difference_items", run) == {(("iteration", "0"),): 200, (first,): 200}
    second = ("iteration", "2")
    assert series("benchmark_difference", run) == {(first, arc): 0.1, (second, arc): 0.3}
    assert series("benchmark_difference_lower", run) == {(first, arc): -0.5}
    assert series("benchmark_difference_items", run)[second, arc] == 8
    assert series("win_rate_upper", run) == {(first, ("judgement", "open")): 0.7}
    mt = (first, ("judgement", "mt"))
    assert series("grade_difference", run) == {mt: -2}
    assert series("second_turn_difference", run) == {mt: -4}
    assert series("second_turn_difference_lower", run) == {mt: -0.5}
    assert series("second_turn_difference_items", run) == {mt: 64}


def test_every_comparison_has_an_interval() -> None:
    values = {name for name in METRICS if name.endswith(("_difference", "win_rate"))}
    assert len(values) == 5
    for name in values:
        ends = {f"{name}_lower", f"{name}_upper"}
        assert f"{name}_items" in METRICS
        assert ends <= METRICS.keys()
        shown = {one: METRICS[one]["each"]["gauge"]["valueFrom"] for one in (name, *ends)}
        assert {tuple(path[:-1]) for path in shown.values()} == {tuple(shown[name][:-1])}
        assert {shown[one][-1] for one in ends} == {"lower", "upper"}


def test_a_new_run_has_no_series_of_what_it_lacks() -> None:
    new = {**document(RunPhase.PENDING, "Pending"), "status": {"observedGeneration": -1}}
    assert series("observed_generation", new) == {(): -1}
    absent = set(METRICS) - {"info", "created_timestamp_seconds", "generation", "phase"}
    for name in absent - {"observed_generation"}:
        assert series(name, new) == {}, name
    assert not any(series("phase", new).values())
