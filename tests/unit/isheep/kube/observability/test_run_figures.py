"""The figures of a run in its status, for the metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

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
from isheep.kube.observability.run_figures import (
    BestFigures,
    ComparedFigures,
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
        ([verdict(1, alarms=1)], RunFigures(1)),
        ([verdict(1, alarms=1), verdict(2, alarms=2)], RunFigures(2)),
    ],
)
def test_the_figures_are_those_of_the_newest_verdict(
    stages: list[dict[str, Any]], figures: RunFigures | None
) -> None:
    assert run_figures({"stages": stages}) == figures
    assert run_figures({}) is None


def status(best: BestRecord | None, verdicts: int = 2) -> dict[str, Any]:
    """Return a status with two iterations, of which the first `verdicts` have a verdict."""
    second = SecondTurnRecord(items=64, mean=3.5, difference=-4.0, lower=-4.6, upper=-3.4)
    grades = GradeRecord(
        name="mt", items=80, mean=5.5, difference=-2.0, lower=-2.4, upper=-1.6, second_turn=second
    )
    history = (
        IterationRecord(iteration=0, yardstick=YardstickRecord(items=200)),
        IterationRecord(
            iteration=1,
            yardstick=YardstickRecord(items=200, difference=-0.1, lower=-0.2, upper=0.0),
            benchmark=BenchmarkRecord(name="arc", items=500, difference=0.1, lower=0.05, upper=0.2),
            judgement=JudgementRecord(name="open", items=300, rate=0.6, lower=0.55, upper=0.65),
            grades=grades,
        ),
        IterationRecord(
            iteration=2, benchmark=BenchmarkRecord(name="arc", items=8, difference=0.3)
        ),
    )
    stages = tuple(
        StageRecord(id=f"i{t}/verdict", key="k", committed=True, counts={"alarms": 0})
        for t in range(1, verdicts + 1)
    )
    return SelfAlignmentRunStatus(stages=stages, history=history, best=best).document()


def test_each_comparison_of_the_newest_verdict_has_its_interval_and_its_items() -> None:
    assert run_figures(status(None, verdicts=1)) == RunFigures(
        0,
        (
            ComparedFigures("Loss", -0.1, -0.2, 0.0, 200),
            ComparedFigures("Benchmark", 0.1, 0.05, 0.2, 500, name="arc"),
            ComparedFigures("WinRate", 0.6, 0.55, 0.65, 300, name="open"),
            ComparedFigures("Grade", -2.0, -2.4, -1.6, 80, name="mt", turns="all"),
            ComparedFigures("Grade", -4.0, -4.6, -3.4, 64, name="mt", turns="second"),
        ),
    )


def test_the_best_model_has_its_own_comparison_and_the_base_model_has_none() -> None:
    best = run_figures(status(BestRecord(iteration=1, metric="arc")))
    newest = ComparedFigures("Benchmark", 0.3, None, None, 8, name="arc")
    of_best = ComparedFigures("BestBenchmark", 0.1, 0.05, 0.2, 500, name="arc")
    assert best == RunFigures(0, (newest, of_best), BestFigures(1, "arc"))
    base = run_figures(status(BestRecord(iteration=0, metric="arc")))
    assert base == RunFigures(0, (newest,), BestFigures(0, "arc"))
    last = run_figures(status(BestRecord(iteration=2)))
    assert last is not None
    assert last.best == BestFigures(2, "")


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
