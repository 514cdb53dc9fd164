"""What the metrics show of a run: its state, comparisons with M(0), alarms, best model, GPU time.

A record has these figures, because a scrape must not read the status of every run again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from isheep.contract.stage_ids import iteration_of

Compared = Literal["Loss", "Benchmark", "BestBenchmark", "WinRate", "Grade"]
"""What the newest M(t) and M(0) are compared on; with BestBenchmark, it is the best M(t)."""


@dataclass(frozen=True, slots=True)
class ComparedFigures:
    """A comparison of a model with M(0), as the status has it.

    `name` is that of the benchmark or judgement, "" for the yardstick. `turns` is "second" for the
    second turns of a judgement alone, "all" for all turns, and "" without turns. `value` is a
    difference in nats a token (Loss), in the unit of the metric (Benchmark, BestBenchmark) or in
    points (Grade), and a share for WinRate. `lower` and `upper` are the ends of its 95 % interval,
    None with too few items. `items` is the number of items, None if the status does not have it.
    """

    compared: Compared
    value: float
    lower: float | None = None
    upper: float | None = None
    items: int | None = None
    name: str = ""
    turns: str = ""


@dataclass(frozen=True, slots=True)
class BestFigures:
    """The best model: its t, which is 0 for M(0), and the metric that chose it, "" without one."""

    iteration: int
    metric: str = ""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The figures of the newest verdict.

    `alarms` is the number of alarms at the newest look. `comparisons` has what was measured.
    """

    alarms: int
    comparisons: tuple[ComparedFigures, ...] = ()
    best: BestFigures | None = None


@dataclass(frozen=True, slots=True)
class StateFigures:
    """The reason of a run's condition Ready, and since when its condition Stalled is true."""

    reason: str = ""
    stalled_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class GpuFigures:
    """The GPU time of a run in seconds, by resource, and its cost; both None without prices."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    currency: str | None = None


def state_figures(status: Mapping[str, Any]) -> StateFigures:
    """Return the reason and the start of Stalled in the status of a run as JSON.

    Both are absent if somebody has written other conditions than the operator writes.
    """
    conditions = status.get("conditions") or ()
    try:
        found = {condition["type"]: condition for condition in conditions}
        stalled = found.get("Stalled", {})
        is_stalled = stalled.get("status") == "True"
        since = datetime.fromisoformat(stalled["lastTransitionTime"]) if is_stalled else None
        return StateFigures(str(found["Ready"]["reason"]) if "Ready" in found else "", since)
    except (TypeError, KeyError, ValueError, AttributeError):
        return StateFigures()


def gpu_figures(status: Mapping[str, Any]) -> GpuFigures | None:
    """Return the GPU time in the status of a run as JSON; None without GPUs."""
    usage = status.get("gpu") or {}
    seconds = {str(name): float(value) for name, value in (usage.get("seconds") or {}).items()}
    if not seconds:
        return None
    currency = (usage.get("prices") or {}).get("currency")
    return GpuFigures(seconds, usage.get("cost"), currency)


def run_figures(status: Mapping[str, Any]) -> RunFigures | None:
    """Return the figures in the status of a run as JSON; None without a verdict.

    The comparisons are those of the verdict's M(t) in the history, and of the best M(t) on the
    first benchmark. M(0) has no comparison with itself.
    """
    verdicts = [
        stage
        for stage in status.get("stages") or ()
        if str(stage.get("id", "")).endswith("/verdict") and stage.get("committed")
    ]
    if not verdicts:
        return None
    newest = verdicts[-1]
    history = {record.get("iteration"): record for record in status.get("history") or ()}
    found = list(_comparisons(history.get(iteration_of(newest["id"])) or {}))
    best = status.get("best")
    if best:
        chosen = history.get(best.get("iteration")) or {}
        found += _difference("BestBenchmark", chosen.get("benchmark"))
    return RunFigures(
        int((newest.get("counts") or {}).get("alarms", 0)),
        tuple(found),
        BestFigures(int(best["iteration"]), best.get("metric") or "") if best else None,
    )


def _comparisons(record: Mapping[str, Any]) -> Iterator[ComparedFigures]:
    """Yield the comparisons of M(t) with M(0) in its record of the history."""
    yield from _difference("Loss", record.get("yardstick"))
    yield from _difference("Benchmark", record.get("benchmark"))
    yield from _difference("WinRate", record.get("judgement"), value="rate")
    grades = record.get("grades") or {}
    yield from _difference("Grade", grades, turns="all")
    second = grades.get("secondTurn")
    if second:
        yield from _difference("Grade", {"name": grades.get("name"), **second}, turns="second")


def _difference(
    compared: Compared,
    record: Mapping[str, Any] | None,
    *,
    value: str = "difference",
    turns: str = "",
) -> Iterator[ComparedFigures]:
    """Yield the comparison in a record, if it was measured; `value` is the name of its field."""
    if not record or record.get(value) is None:
        return
    lower, upper, items = (record.get(name) for name in ("lower", "upper", "items"))
    yield ComparedFigures(
        compared,
        float(record[value]),
        None if lower is None else float(lower),
        None if upper is None else float(upper),
        None if items is None else int(items),
        name=str(record.get("name") or ""),
        turns=turns,
    )
