"""The figures of a run in its status, for the metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from isheep.kube.run_figures import (
    GpuFigures,
    RunFigures,
    StateFigures,
    gpu_figures,
    run_figures,
    state_figures,
)


def verdict(t: int, *, committed: bool = True, **counts: float) -> dict[str, Any]:
    return {"id": f"i{t}/verdict", "committed": committed, "counts": counts}


@pytest.mark.parametrize(
    ("stages", "figures"),
    [
        ([], None),
        ([{"id": "i1/train", "committed": True}], None),
        ([verdict(1, committed=False)], None),
        ([verdict(1, items=30, difference=-0.5, alarms=0)], RunFigures(-0.5, 0)),
        ([verdict(1, difference=-0.5), verdict(2, items=0, alarms=2)], RunFigures(None, 2)),
    ],
)
def test_the_figures_are_those_of_the_newest_verdict(
    stages: list[dict[str, Any]], figures: RunFigures | None
) -> None:
    assert run_figures({"stages": stages}) == figures
    assert run_figures({}) is None


def test_the_gpu_time_and_the_cost_are_those_of_the_status() -> None:
    usage = {"seconds": {"nvidia.com/gpu": 3, "amd.com/gpu": 1.5}, "attempts": []}
    assert gpu_figures({"gpu": usage}) == GpuFigures({"nvidia.com/gpu": 3, "amd.com/gpu": 1.5})
    priced = {**usage, "cost": 0.25, "prices": {"currency": "EUR", "perHour": {}}}
    assert gpu_figures({"gpu": priced}) == GpuFigures(usage["seconds"], 0.25, "EUR")
    assert gpu_figures({"gpu": {"seconds": {}}}) is None
    assert gpu_figures({}) is None


def test_the_state_has_the_reason_of_ready_and_the_start_of_stalled() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "SecretMissing"}
    since = {"lastTransitionTime": "2026-01-02T03:04:05Z"}
    stalled = {"type": "Stalled", "status": "True", "reason": "SecretMissing", **since}
    expected = StateFigures("SecretMissing", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert state_figures({"conditions": [ready, stalled]}) == expected
    assert state_figures({"conditions": [ready]}) == StateFigures("SecretMissing")
    assert state_figures({"observedGeneration": -1}) == StateFigures()


@pytest.mark.parametrize(
    "conditions",
    ["none", [3], ["Ready"], [{}], [{"type": "Stalled", "status": "True"}], [{"type": []}]]
    + [[{"type": "Stalled", "status": "True", "lastTransitionTime": time}] for time in (3, "now")],
)
def test_conditions_that_somebody_else_wrote_have_no_figures(conditions: Any) -> None:
    assert state_figures({"conditions": conditions}) == StateFigures()
