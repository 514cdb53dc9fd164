"""The verdict document: the figures of each model and of each D(t), and the alarms of the guards.

Each difference between two models is paired by task: the same task, the same prompt, and the same
seed of the answer. The interval covers the draw of the tasks. It does not cover the random seed of
the training, and the report says so. The report and the command line show this document and
compute nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isheep_worker.collapse.interface import Figure, FigureDefinition
from isheep_worker.collapse.registry import ANSWER_FIGURES, ROW_FIGURES
from isheep_worker.guards.alarms import alarms
from isheep_worker.guards.interface import Alarm
from isheep_worker.statistics.comparison import compare
from isheep_worker.statistics.interface import CONFIDENCE
from isheep_worker.yardstick.benchmark_section import benchmark_section, overlaps
from isheep_worker.yardstick.decision import decision_section
from isheep_worker.yardstick.figure_interval import figure_interval
from isheep_worker.yardstick.grade_section import decisive_grades, grade_section
from isheep_worker.yardstick.judgement_section import (
    best_p_values,
    conclude,
    judgement_section,
)
from isheep_worker.yardstick.looks import Figures, looks, run_figures
from isheep_worker.yardstick.memorized_section import memorized_section
from isheep_worker.yardstick.shown_comparison import shown_comparison
from isheep_worker.yardstick.source import VerdictSource

VERDICT_FILE = "verdict.json"
SCHEMA_VERSION = 1
LOSS = "answerLoss"
"""The figure that the status of the run shows."""


def verdict_document(source: VerdictSource) -> dict[str, Any]:
    """Return the comparison of M(1), M(2), … with M(0), the alarms and the decision, as JSON."""
    figures = run_figures(source)
    found = alarms(looks(source, figures), source.rules, source.planned_looks)
    decision = decision_section(
        source.decision,
        source.benchmarks,
        found,
        newest=source.newest,
        looked={0, source.newest} <= source.evaluations.keys(),
        seed=source.random_seed,
    )
    document = {
        "schema_version": SCHEMA_VERSION,
        "confidence": CONFIDENCE,
        "figures": [
            {**_definition(one), "models": _models(one.name, figures.answers, source.random_seed)}
            for one in (ANSWER_FIGURES if figures.answers else ())
        ],
        "data": [
            {**_definition(one), "iterations": values}
            for one in ROW_FIGURES
            if (values := _iterations(one, figures.data))
        ],
        "alarms": [_alarm(one) for one in found],
        "decision": decision,
    }
    if source.yardstick_texts:
        texts = {"the yardstick": source.yardstick_texts}
        (document["yardstick_overlap"],) = overlaps(texts, source.data, source.ngram)
    document |= _external(source, decision["best"]["t"])
    return document


def _external(source: VerdictSource, best: int) -> dict[str, Any]:
    """Return the sections on items that the model did not write; none without such items."""
    if not source.benchmarks and not source.judgements and not source.graded:
        return {}
    judgements = judgement_section(source.judgements, source.random_seed)
    grades = grade_section(source.graded, source.random_seed)
    preferred = list(best_p_values(judgements, best).values())
    graded = list(best_p_values(grades, best, decisive_grades).values())
    benchmarks = benchmark_section(
        source.benchmarks, best, source.random_seed, [*preferred, *graded]
    )
    found = (one["best"]["p"] for one in benchmarks if one["best"] is not None)
    tested = [p for p in found if p is not None]
    conclude(judgements, best, [*tested, *graded])
    conclude(grades, best, [*tested, *preferred], decisive_grades)
    return {
        **({"benchmarks": benchmarks} if source.benchmarks else {}),
        **({"judgements": judgements} if source.judgements else {}),
        **({"grades": grades} if source.graded else {}),
        "overlap": overlaps(source.benchmark_texts, source.data, source.ngram),
        **(
            {"memorized": memorized_section(source.benchmarks, source.memorized)}
            if source.memorized
            else {}
        ),
    }


def newest_difference(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the difference of the newest model's loss from M(0)'s; None if it has none."""
    for one in document["figures"]:
        if one["name"] == LOSS:
            found: Mapping[str, Any] | None = one["models"][-1]["from_base"]
            return found
    return None


def newest_alarms(document: Mapping[str, Any]) -> list[str]:
    """Return the rules with an alarm at the newest look."""
    looked = [one["models"] for one in document["figures"][:1]]
    looked += [one["iterations"] for one in document["data"]]
    newest = max((values[-1]["t"] for values in looked), default=0)
    return [one["rule"] for one in document["alarms"] if one["iteration"] == newest]


def _definition(one: FigureDefinition[Any]) -> dict[str, Any]:
    return {"name": one.name, "meaning": one.meaning, "unit": one.unit}


def _models(name: str, answers: Mapping[int, Figures], seed: int) -> list[dict[str, Any]]:
    base = answers[0][name]
    return [
        {
            "t": t,
            "items": figures[name].n,
            "mean": figures[name].value,
            "from_base": None if t == 0 else _difference(base, figures[name], seed),
        }
        for t, figures in answers.items()
    ]


def _iterations(one: FigureDefinition[Any], data: Mapping[int, Figures]) -> list[dict[str, Any]]:
    """Return the values of a figure by t; none if no training set has the figure."""
    values = []
    for t, figures in data.items():
        figure = figures[one.name]
        found = figure_interval(figure, one.unit)
        lower, upper = (None, None) if found is None else (found.low, found.high)
        bounds = {"lower": lower, "upper": upper}
        values.append({"t": t, "items": figure.n, "value": figure.value, **bounds})
    return values if any(one["value"] is not None for one in values) else []


def _difference(base: Figure, model: Figure, seed: int) -> dict[str, Any] | None:
    """Return M(t) − M(0) over the tasks that both have; None if there are none."""
    before = dict(zip(base.ids or (), base.items if base.ids else (), strict=True))
    after = dict(zip(model.ids or (), model.items if model.ids else (), strict=True))
    tasks = sorted(before.keys() & after.keys())
    if not tasks:
        return None
    found = compare(
        np.array([before[task] for task in tasks]),
        np.array([after[task] for task in tasks]),
        None,
        np.random.default_rng(seed),
    )
    return shown_comparison(found)


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "rule": alarm.rule.name,
        "iteration": alarm.iteration,
        "evidence": alarm.evidence,
        "sentence": alarm.sentence,
    }
