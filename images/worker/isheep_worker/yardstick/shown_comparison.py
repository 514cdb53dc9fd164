"""A comparison of two models as JSON values: never a difference without its number of items."""

from __future__ import annotations

from typing import Any

from isheep_worker.statistics.comparison import Comparison


def shown_comparison(found: Comparison) -> dict[str, Any]:
    """Return a comparison for the verdict document, with the unit of the compared values."""
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
