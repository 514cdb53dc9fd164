"""The section `decision`: which figures choose the best model, and what stops a run."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.contract.choices import BenchmarkRole
from isheep_worker.guards.alarms import Alarm
from isheep_worker.guards.registry import GUARD_RULES
from isheep_worker.yardstick.benchmarks import BenchmarkSeries
from isheep_worker.yardstick.decision import CHOSEN_HERE, decision_section
from isheep_worker.yardstick.source import DecisionRules

ITEMS = 60


def series(
    *shares: float, role: BenchmarkRole = "Validation", items: int = ITEMS
) -> BenchmarkSeries:
    """Return a benchmark on which M(0), M(1), … have these shares of correct items."""
    return BenchmarkSeries(
        name="arc",
        role=role,
        metric="acc",
        filter="none",
        higher_is_better=True,
        primary=True,
        prompt_format="Chat",
        values={
            t: {f"{role}-{n}": float(n < share * items) for n in range(items)}
            for t, share in enumerate(shares)
        },
    )


def alarm(t: int) -> Alarm:
    rule = GUARD_RULES["Repetition"]
    return Alarm(rule, "Far", iteration=t, value=1, first_iteration=0, first_value=0, items=ITEMS)


def decide(
    rules: DecisionRules, *benchmarks: BenchmarkSeries, newest: int = 2, **changes: Any
) -> dict[str, Any]:
    values: dict[str, Any] = {"looked": True, "seed": 0, "alarms": (), **changes}
    alarms = values.pop("alarms")
    return decision_section(rules, benchmarks, alarms, newest=newest, **values)


@pytest.mark.parametrize("metric", ["arc", "arc/acc"])
def test_the_best_model_is_the_earliest_of_equal_ones(metric: str) -> None:
    best = decide(DecisionRules(best=metric), series(0.2, 0.8, 0.82))["best"]
    assert (best["t"], best["reason"], best["leader"]) == (1, "Improved", 2)
    assert best["value"] == pytest.approx(0.8)
    assert best["note"] == CHOSEN_HERE
    assert best["against_base"]["lower"] > 0


def test_the_best_model_can_be_the_base() -> None:
    best = decide(DecisionRules(best="arc"), series(0.5, 0.51, 0.1))["best"]
    assert (best["t"], best["reason"], best["metric"]) == (0, "BaseIsBest", "arc")


def test_the_figure_of_the_best_model_comes_from_the_test_items_if_there_are_any() -> None:
    test = series(0.1, 0.3, 0.9, role="Test")
    best = decide(DecisionRules(best="arc"), test, series(0.2, 0.8, 0.82))["best"]
    assert (best["t"], best["note"]) == (1, "on the Test items")
    assert best["value"] == pytest.approx(0.3)


def test_no_decision_reads_test_items() -> None:
    rules = DecisionRules(best="arc", stopping=("arc", 1))
    found = decide(rules, series(0.5, 0.5, 0.5, role="Test"))
    assert (found["best"]["t"], found["best"]["reason"]) == (2, None)
    assert found["best"]["note"] == "the last model, because arc was not measured"
    assert found["action"] == "Missing"


def test_without_a_metric_or_enough_items_the_best_model_is_the_last_one() -> None:
    best = decide(DecisionRules(), series(0.9, 0.1, 0.1))["best"]
    assert (best["t"], best["value"], best["reason"]) == (2, None, None)
    assert best["note"] == "the last model, because best.metric is not set"
    few = decide(DecisionRules(best="arc"), series(0.9, 0.1, 0.1, items=8))["best"]
    assert (few["t"], few["value"], few["reason"]) == (2, None, "TooFewItems")
    assert few["note"] == "the last model, because arc has too few items (8)"


@pytest.mark.parametrize(
    ("shares", "patience", "action"),
    [
        ((0.2, 0.8, 0.82), 1, "Stop"),
        ((0.2, 0.8, 0.82), 2, "Continue"),
        ((0.2, 0.21, 0.22), 2, "Stop"),
        ((0.2, 0.5, 0.8), 1, "Continue"),
    ],
)
def test_patience_counts_differences_beyond_the_interval_only(
    shares: tuple[float, ...], patience: int, action: str
) -> None:
    found = decide(DecisionRules(stopping=("arc", patience)), series(*shares))
    assert found["action"] == action
    assert found["stopping"]["patience"] == patience


def test_the_sentence_says_why_the_run_stops() -> None:
    found = decide(DecisionRules(stopping=("arc", 1)), series(0.2, 0.8, 0.82))
    assert found["sentence"] == (
        "The run stops after M(2): on arc, no model was significantly better than M(1) for 1 "
        "iteration."
    )


def test_with_too_few_items_a_run_never_stops() -> None:
    found = decide(DecisionRules(stopping=("arc", 1)), series(0.2, 0.2, 0.2, items=8))
    assert (found["action"], found["stopping"]["enough_items"]) == ("Continue", False)


@pytest.mark.parametrize("action", ["Stop", "RollBack"])
def test_an_alarm_of_the_newest_model_acts(action: Any) -> None:
    rules = DecisionRules(action=action)
    assert decide(rules, alarms=[alarm(1)])["action"] == "Continue"
    found = decide(rules, alarms=[alarm(1), alarm(2)])
    assert found["action"] == action
    assert "Repetition" in found["sentence"]
    assert decide(DecisionRules(), alarms=[alarm(2)])["action"] == "Continue"


def test_a_rule_whose_figure_is_missing_says_so() -> None:
    found = decide(DecisionRules(action="Stop"), looked=False)
    assert found["action"] == "Missing"
    assert found["sentence"] == "safeguards.action needs the yardstick of M(2) and of M(0)."
    without_newest = decide(DecisionRules(stopping=("arc", 1)), series(0.2, 0.8))
    assert without_newest["action"] == "Missing"
    assert decide(DecisionRules(best="arc"), looked=False)["action"] == "Continue"
