"""A benchmark of a verdict as lines: each M(t), with its number of items and its interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from isheep.cli.figures.interval_text import with_interval


def benchmark_lines(section: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    """Return the lines of a benchmark; there are none without a model that was measured.

    Args:
        section: The part `benchmarks` of the document that a verdict stage writes.
        name: The name of the benchmark.
    """
    return [
        line for one in section if one["name"] == name and one["models"] for line in _series(one)
    ]


def _series(one: Mapping[str, Any]) -> Iterator[str]:
    better = "higher" if one["higher_is_better"] else "lower"
    rank = "" if one["primary"] else ", exploratory"
    yield f"{one['name']}, {one['metric']} ({better} is better, role {one['role']}{rank}):"
    for model in one["models"]:
        yield f"  {_model(model, one['base_format'])}"


def _model(model: Mapping[str, Any], base_format: str) -> str:
    text = f"M({model['t']}) {model['format']}: {model['mean']:.3f}, {model['items']} items"
    change = model["from_base"]
    if change is None:
        return text
    text += f"; {change['difference']:+.3f} against M(0) {base_format}"
    return with_interval(text, change["items"], change["lower"], change["upper"])
