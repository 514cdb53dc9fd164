"""The metrics of reasons and of stalled runs: counts, order, and the bound of their number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from isheep.kube.observability.run_figures import StateFigures
from isheep.kube.observability.state_metrics import NOT_SEEN, StateOfRun, state_families

START = datetime(2026, 1, 1, tzinfo=UTC)


def samples(
    states: list[StateOfRun], most: int = 10
) -> tuple[dict[tuple[str, ...], float], dict[str, float]]:
    """Return runs by namespace, phase and reason, and the times of stalled runs by their name."""
    reasons, stalled = state_families(states, most)
    by_reason = {
        (s.labels["run_namespace"], s.labels["phase"], s.labels["reason"]): s.value
        for s in reasons.samples
    }
    return by_reason, {s.labels["run"]: s.value for s in stalled.samples}


def stalled_run(name: str, days: int) -> StateOfRun:
    figures = StateFigures("BucketMissing", START + timedelta(days=days))
    return StateOfRun("a", name, "Stalled", figures)


def test_runs_are_counted_by_namespace_phase_and_reason() -> None:
    running = StateFigures("Running")
    by_reason, stalled = samples(
        [
            StateOfRun("a", "one", "Running", running),
            StateOfRun("a", "two", "Running", running),
            StateOfRun("b", "one", "Running", running),
            StateOfRun("b", "new", "Pending", StateFigures()),
        ]
    )
    assert by_reason == {
        ("a", "Running", "Running"): 2,
        ("b", "Running", "Running"): 1,
        ("b", "Pending", NOT_SEEN): 1,
    }
    assert stalled == {}


def test_a_failed_run_is_not_stalled() -> None:
    """Its condition Stalled is true, because kstatus needs it."""
    failed = StateOfRun("a", "failed", "Failed", StateFigures("OutOfMemory", START))
    _, stalled = samples([failed, stalled_run("waits", 1)])
    assert stalled == {"waits": (START + timedelta(days=1)).timestamp()}


def test_the_runs_that_are_stalled_for_longest_are_shown() -> None:
    _, stalled = samples([stalled_run(f"run-{days}", days) for days in (3, 1, 2)], most=2)
    assert list(stalled) == ["run-1", "run-2"]
