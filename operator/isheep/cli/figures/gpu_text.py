"""The GPU time of a run and its cost as text."""

from __future__ import annotations

from isheep.api.gpu_usage import GpuUsage


def gpu_text(usage: GpuUsage) -> str | None:
    """Return the hours of each resource and the cost; None if no GPU time was charged."""
    if not usage.seconds:
        return None
    hours = (f"{time / 3600:.2f} h of {name}" for name, time in sorted(usage.seconds.items()))
    text = ", ".join(hours)
    if usage.cost is None or usage.prices is None:
        return text
    unpriced = sorted(usage.seconds.keys() - usage.prices.per_hour.keys())
    without = f", without {', '.join(unpriced)}" if unpriced else ""
    return f"{text}; {usage.cost:.2f} {usage.prices.currency}{without}"
