"""The section `decision` of a verdict: the best model so far, and how the run goes on.

Both read figures with the role Validation only. A figure on the data that chose a model is too
good: among models that are equal, the choice takes the one that was lucky there. So the best model
is shown with its figure on the Test items of the benchmark, or with the note "chosen on this data".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isheep.contract.choices import VerdictAction
from isheep_worker.guards.interface import Alarm
from isheep_worker.verdicts.best import BestModel, best_model
from isheep_worker.verdicts.stopping import Stopping, stopping
from isheep_worker.yardstick.benchmarks import BenchmarkSeries, series_of
from isheep_worker.yardstick.shown_comparison import shown_comparison
from isheep_worker.yardstick.source import DecisionRules

CHOSEN_HERE = "chosen on this data"
_ITERATIONS = {True: "iteration", False: "iterations"}


def decision_section(
    rules: DecisionRules,
    benchmarks: Sequence[BenchmarkSeries],
    alarms: Sequence[Alarm],
    *,
    newest: int,
    looked: bool,
    seed: int,
) -> dict[str, Any]:
    """Return the decision after M(`newest`) as JSON values.

    Args:
        rules: The rules of the run.
        benchmarks: The models on each benchmark.
        alarms: The alarms of the guards so far.
        newest: The t of the newest model.
        looked: Whether the guards have looked at the newest model and at M(0).
        seed: The seed of the resamples.
    """
    stop = _stopping(rules, benchmarks, newest, seed)
    action, sentence = _action(rules, stop, alarms, newest=newest, looked=looked)
    return {
        "action": action,
        "sentence": sentence,
        "best": _best(rules.best, benchmarks, newest, seed),
        "stopping": None if stop is None else _stopping_document(rules, stop),
    }


def _action(
    rules: DecisionRules,
    stop: Stopping | None,
    alarms: Sequence[Alarm],
    *,
    newest: int,
    looked: bool,
) -> tuple[VerdictAction, str]:
    """Return the action with its sentence; an alarm comes before the rule for stopping."""
    now = [alarm for alarm in alarms if alarm.iteration == newest]
    if rules.action is not None and not looked:
        return "Missing", f"safeguards.action needs the yardstick of M({newest}) and of M(0)."
    if rules.action is not None and now:
        verb = "stops" if rules.action == "Stop" else "rolls back"
        return rules.action, f"The run {verb} after M({newest}): {now[0].sentence}"
    if rules.stopping is None:
        return "Continue", ""
    metric, _ = rules.stopping
    if stop is None:
        return "Missing", f"stopping needs {metric} of M({newest}) and of M(0)."
    if not stop.stop:
        return "Continue", ""
    return "Stop", (
        f"The run stops after M({newest}): on {metric}, no model was significantly better than "
        f"M({stop.improved}) for {stop.waited} {_ITERATIONS[stop.waited == 1]}."
    )


def _stopping(
    rules: DecisionRules, benchmarks: Sequence[BenchmarkSeries], newest: int, seed: int
) -> Stopping | None:
    """Return the state of the rule for stopping; None without it, or if its figure is missing."""
    if rules.stopping is None:
        return None
    metric, patience = rules.stopping
    series = series_of(benchmarks, metric, "Validation")
    models = [] if series is None else series.measured_models()
    if series is None or not models or models[-1].iteration != newest:
        return None
    return stopping(models, patience, series.rule(), np.random.default_rng(seed))


def _stopping_document(rules: DecisionRules, stop: Stopping) -> dict[str, Any]:
    metric, patience = rules.stopping or ("", 0)
    return {
        "metric": metric,
        "patience": patience,
        "improved": stop.improved,
        "waited": stop.waited,
        "enough_items": stop.enough_items,
    }


def _best(
    metric: str | None, benchmarks: Sequence[BenchmarkSeries], newest: int, seed: int
) -> dict[str, Any]:
    """Return the best model: the last one if no figure can choose."""
    last: dict[str, Any] = {"t": newest, "metric": metric, "value": None, "reason": None}
    if metric is None:
        return last | {"note": "the last model, because best.metric is not set"}
    series = series_of(benchmarks, metric, "Validation")
    models = [] if series is None else series.measured_models()
    if series is None or not models:
        return last | {"note": f"the last model, because {metric} was not measured"}
    found = best_model(models, series.rule(), np.random.default_rng(seed))
    if found.reason == "TooFewItems":
        note = f"the last model, because {metric} has too few items ({found.against_base.items})"
        return last | {"reason": found.reason, "note": note}
    shown, note = _shown_value(found, series_of(benchmarks, metric, "Test"))
    return {
        "t": found.iteration,
        "metric": metric,
        "value": shown,
        "reason": found.reason,
        "note": note,
        "leader": found.leader,
        "against_base": shown_comparison(found.against_base),
        "against_leader": shown_comparison(found.against_leader),
    }


def _shown_value(found: BestModel, test: BenchmarkSeries | None) -> tuple[float, str]:
    """Return the figure to show for the best model, and where it comes from."""
    models = {one.iteration: one.values for one in (test.measured_models() if test else ())}
    if found.iteration in models:
        return float(models[found.iteration].mean()), "on the Test items"
    return found.value, CHOSEN_HERE
