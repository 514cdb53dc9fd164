"""What the metrics show of a run: its state, comparison with M(0), alarms, and GPU time.

A record has these figures, because a scrape must not read the status of every run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The figures of the newest verdict.

    `difference` is the loss of the newest M(t) on the yardstick minus that of M(0), in nats a
    token; None if it was not measured. `alarms` is the number of alarms at the newest look.
    """

    difference: float | None
    alarms: int


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
    """Return the figures in the status of a run as JSON; None without a verdict."""
    verdicts = [
        stage.get("counts") or {}
        for stage in status.get("stages") or ()
        if str(stage.get("id", "")).endswith("/verdict") and stage.get("committed")
    ]
    if not verdicts:
        return None
    difference = verdicts[-1].get("difference")
    return RunFigures(
        None if difference is None else float(difference), int(verdicts[-1].get("alarms", 0))
    )
