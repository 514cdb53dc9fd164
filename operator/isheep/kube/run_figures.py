"""What the metrics show of a run: the newest comparison with M(0), and the alarms of its guards.

A record has these figures, because a scrape must not read the status of every run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The figures of the newest verdict.

    `difference` is the loss of the newest M(t) on the yardstick minus that of M(0), in nats a
    token; None if it was not measured. `alarms` is the number of alarms at the newest look.
    """

    difference: float | None
    alarms: int


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
