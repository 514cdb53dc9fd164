"""The comparison of M(t) with M(0) on a benchmark as text: always with items and interval."""

from __future__ import annotations

from isheep.api.status import BenchmarkRecord


def benchmark_text(t: int, found: BenchmarkRecord) -> str:
    """Return one sentence about M(t) on the primary metric of a benchmark."""
    text = f"M({t}): {found.difference:+.3f} against M(0) on {found.items} items of {found.name}"
    if found.lower is None or found.upper is None:
        return f"{text}; too few items ({found.items}) for an interval"
    interval = f"95 % interval {found.lower:+.3f} to {found.upper:+.3f}"
    if found.lower <= 0 <= found.upper:
        return f"{text} ({interval}; no significant difference)"
    return f"{text} ({interval})"
