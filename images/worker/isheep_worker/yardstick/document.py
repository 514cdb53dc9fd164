"""The verdict document: the figures of each model, and its differences from M(0).

Each difference is paired by task: the same task, the same prompt, and for answers the same seed.
The interval covers the draw of the tasks. It does not cover the random seed of the training, and
the document says so. The report and the command line show this document and compute nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isheep_worker.rows.schema import EvaluationRow
from isheep_worker.statistics.comparison import Comparison, compare
from isheep_worker.statistics.interface import CONFIDENCE
from isheep_worker.yardstick.figures import FIGURES, Figure, values_by_task

VERDICT_FILE = "verdict.json"
SCHEMA_VERSION = 1

Rows = Mapping[int, Sequence[EvaluationRow]]
"""The rows of the evaluations by t."""


def verdict_document(rows: Rows, seed: int) -> dict[str, Any]:
    """Return the comparison of M(1), M(2), … with M(0), as JSON values.

    Args:
        rows: The rows by t; M(0)'s are among them.
        seed: The seed of the resamples of the intervals.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "confidence": CONFIDENCE,
        "figures": [_figure(figure, rows, seed) for figure in FIGURES],
    }


def newest_difference(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the difference of the newest model's first figure from M(0)'s; None if it has none."""
    found: Mapping[str, Any] | None = document["figures"][0]["models"][-1]["from_base"]
    return found


def _figure(figure: Figure, rows: Rows, seed: int) -> dict[str, Any]:
    values = {t: values_by_task(figure, rows[t]) for t in sorted(rows)}
    return {
        "name": figure.name,
        "label": figure.label,
        "unit": figure.unit,
        "models": [
            {
                "t": t,
                "items": len(of_t),
                "mean": sum(of_t.values()) / len(of_t) if of_t else None,
                "from_base": None if t == 0 else _difference(values[0], of_t, seed),
            }
            for t, of_t in values.items()
        ],
    }


def _difference(
    base: Mapping[str, float], model: Mapping[str, float], seed: int
) -> dict[str, Any] | None:
    """Return M(t) − M(0) over the tasks that both have; None if there are none."""
    tasks = sorted(base.keys() & model.keys())
    if not tasks:
        return None
    before = np.array([base[task] for task in tasks])
    after = np.array([model[task] for task in tasks])
    found = compare(before, after, None, np.random.default_rng(seed))
    return _document(found)


def _document(found: Comparison) -> dict[str, Any]:
    interval = found.interval
    return {
        "items": found.items,
        "difference": found.difference,
        "lower": None if interval is None else interval.low,
        "upper": None if interval is None else interval.high,
        "p": found.p,
        "change": found.change,
        "verdict": found.verdict,
    }
