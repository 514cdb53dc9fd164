"""The best model as text: never without how it was chosen."""

from __future__ import annotations

from isheep.api.status import BestRecord


def best_text(best: BestRecord) -> str:
    """Return the best model with its figure and the note about it."""
    value = "" if best.value is None else f", {best.metric} {best.value:.3f}"
    return f"M({best.iteration}){value} ({best.note})"
