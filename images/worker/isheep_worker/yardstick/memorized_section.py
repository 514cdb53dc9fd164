"""The section `memorized` of a verdict: items that M(0) completes, and the figures without them.

A good figure on items that the base model has memorized does not show its abilities. The section
has the mean of each model over the other items. These are no comparisons: the flagged items are
those of M(0), and fewer items remain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from isheep_worker.evaluation.memorization import Memorized, document
from isheep_worker.yardstick.benchmarks import BenchmarkSeries, Values


def memorized_section(
    found: Sequence[BenchmarkSeries], memorized: Mapping[str, Memorized]
) -> list[dict[str, Any]]:
    """Return the section as JSON values.

    Args:
        found: The series of all benchmarks.
        memorized: What M(0) completes of each benchmark, by its name.
    """
    return [
        {
            "name": name,
            **document(one),
            "metrics": [
                {
                    "metric": series.label,
                    "role": series.role,
                    "primary": series.primary,
                    "models": list(_models(series, one)),
                }
                for series in found
                if series.name == name
            ],
        }
        for name, one in memorized.items()
    ]


def _models(series: BenchmarkSeries, memorized: Memorized) -> Iterator[dict[str, Any]]:
    rest = [
        item for item in series.items() if series.clusters.get(item, item) not in memorized.items
    ]
    if series.other_base is not None:
        yield _model(0, series.other_format, series.other_base, rest)
    for t, values in sorted(series.values.items()):
        yield _model(t, series.prompt_format, values, rest)


def _model(
    t: int, prompt_format: str | None, values: Values, rest: Sequence[str]
) -> dict[str, Any]:
    mean = float(np.mean([values[item] for item in rest])) if rest else None
    return {"t": t, "format": prompt_format, "items": len(rest), "mean": mean}
