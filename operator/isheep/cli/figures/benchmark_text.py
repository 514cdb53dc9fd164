"""The comparison of M(t) with M(0) on a benchmark as text: always with items and interval."""

from __future__ import annotations

from isheep.api.status import BenchmarkRecord
from isheep.cli.figures.interval_text import with_interval


def benchmark_text(t: int, found: BenchmarkRecord) -> str:
    """Return one sentence about M(t) on the primary metric of a benchmark."""
    text = f"M({t}): {found.difference:+.3f} against M(0) on {found.items} items of {found.name}"
    return with_interval(text, found.items, found.lower, found.upper)
