"""The section `benchmarks` of a verdict: each M(t) on each benchmark, compared with M(0).

M(t) is compared with M(0) in the prompt format in which M(0) is better, and both formats of M(0)
are shown. One metric of each benchmark is primary. The differences of the best model on the primary
metrics of all benchmarks are tested together (Holm); all other comparisons are exploratory.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.statistics.comparison import Comparison
from isheep_worker.statistics.holm import holm
from isheep_worker.statistics.interface import CONFIDENCE
from isheep_worker.verdicts.interface import MeasuredModel
from isheep_worker.yardstick.benchmarks import BenchmarkSeries, Values
from isheep_worker.yardstick.detectable import detectable
from isheep_worker.yardstick.shown_comparison import shown_comparison
from isheep_worker.yardstick.source import DataSet


def benchmark_section(
    found: Sequence[BenchmarkSeries], best: int, seed: int, others: Iterable[float] = ()
) -> list[dict[str, Any]]:
    """Return the section as JSON values, in the order of the series.

    Args:
        found: The series of all benchmarks.
        best: The t of the best model so far.
        seed: The seed of the resamples.
        others: The p-values of other comparisons of the best model with M(0), with which those of
            the benchmarks are corrected together.
    """
    compared = [_compared(one, seed) for one in found]
    conclusions = _conclusions(found, compared, best, others)
    return [
        {
            "name": one.name,
            "role": one.role,
            "metric": one.label,
            "primary": one.primary,
            "higher_is_better": one.higher_is_better,
            "format": one.prompt_format,
            "base_format": one.base_format(),
            "models": list(_models(one, by_t)),
            "detectable": detectable(one) if one.primary else None,
            "best": conclusions.get(number),
        }
        for number, (one, by_t) in enumerate(zip(found, compared, strict=True))
    ]


def overlaps(
    texts: Mapping[str, Iterable[str]], data: Mapping[int, DataSet], ngram: int
) -> list[dict[str, Any]]:
    """Return how many pairs of each D(t) share words with the items of each benchmark.

    Args:
        texts: The texts of each benchmark by its name.
        data: D(t) by t.
        ngram: The number of consecutive words that count.
    """
    found = []
    for name, some in texts.items():
        search = Decontaminator(ngram)
        search.add_benchmark(name, some)
        counts = [{"t": t, **_overlap(search, one)} for t, one in sorted(data.items())]
        found.append({"name": name, "ngram": ngram, "iterations": counts})
    return found


def _overlap(search: Decontaminator, data: DataSet) -> dict[str, int]:
    pairs = [row for row in data.rows() if row.kept]
    instructions = sum(search.match(row.instruction) is not None for row in pairs)
    responses = sum(search.match(row.response) is not None for row in pairs)
    return {"pairs": len(pairs), "instructions": instructions, "responses": responses}


def _compared(one: BenchmarkSeries, seed: int) -> dict[int, Comparison]:
    """Return the comparison of each later model with M(0), by t."""
    models = one.measured_models()
    return {
        model.iteration: one.rule().comparison(models[0], model, np.random.default_rng(seed))
        for model in models[1:]
    }


def _models(one: BenchmarkSeries, by_t: Mapping[int, Comparison]) -> Iterator[dict[str, Any]]:
    models, items = one.measured_models(), one.items()
    if one.other_base is not None and models:
        yield _base(one.other_format, one.other_base, items)
    for model in models:
        if model.iteration == 0:
            yield _base(one.prompt_format, one.values[0], items)
        else:
            yield _later(one, model, by_t[model.iteration])


def _base(prompt_format: str | None, values: Values, items: Sequence[str]) -> dict[str, Any]:
    mean = float(np.mean([values[item] for item in items]))
    return {"t": 0, "format": prompt_format, "items": len(items), "mean": mean, "from_base": None}


def _later(one: BenchmarkSeries, model: MeasuredModel, found: Comparison) -> dict[str, Any]:
    return {
        "t": model.iteration,
        "format": one.prompt_format,
        "items": found.items,
        "mean": found.after,
        "from_base": shown_comparison(found),
    }


def _conclusions(
    found: Sequence[BenchmarkSeries],
    compared: Sequence[Mapping[int, Comparison]],
    best: int,
    others: Iterable[float],
) -> dict[int, dict[str, Any]]:
    """Return the corrected conclusion about M(`best`) by the number of the series.

    A benchmark with Test items is judged on them. The Validation items may have chosen the model.
    """
    tested = {one.name for one in found if one.role == "Test"}
    judged = {
        number: by_t[best]
        for number, (one, by_t) in enumerate(zip(found, compared, strict=True))
        if one.primary and best in by_t and (one.role == "Test" or one.name not in tested)
    }
    tested_together: dict[Hashable, float] = {
        number: one.p for number, one in judged.items() if one.p is not None
    }
    corrected = holm(tested_together | {("other", n): p for n, p in enumerate(others)})
    return {
        number: {
            "t": best,
            "p": one.p,
            "corrected_p": corrected.get(number),
            "conclusion": _conclusion(found[number], one, corrected.get(number)),
        }
        for number, one in judged.items()
    }


def _conclusion(series: BenchmarkSeries, found: Comparison, p: float | None) -> str:
    if p is None or found.change == "TooFewItems":
        return found.verdict
    if found.change == "NotSignificant" or p > 1 - CONFIDENCE:
        return "no significant difference"
    return "better" if (found.change == "Higher") == series.higher_is_better else "worse"
