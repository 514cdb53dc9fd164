"""The addition of a funnel's lines, which knows only what a line shows."""

from __future__ import annotations

from collections.abc import Sequence

from isheep_worker.report.funnel import UNEXPLAINED, FunnelStep


def added_up(steps: Sequence[FunnelStep]) -> Sequence[FunnelStep]:
    """Return the steps after a check that each count is what remains of the count before it."""
    remaining: int | None = None
    for step in steps:
        if step.kind == "start":
            remaining = step.count
        elif step.kind in ("drop", "added", "count"):
            assert remaining is not None, f"{step.label} comes before a count"
            change = {"drop": -step.count, "added": step.count, "count": 0}[step.kind]
            remaining += change
            assert step.kind != "count" or step.count == remaining, step
    return steps


def explained(steps: Sequence[FunnelStep]) -> Sequence[FunnelStep]:
    """Return the steps after a check that they add up and that no line covers a difference."""
    assert not [step for step in steps if step.label == UNEXPLAINED], steps
    return added_up(steps)
