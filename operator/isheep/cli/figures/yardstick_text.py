"""The comparison of M(t) with M(0) as text: never without the number of tasks and the interval."""

from __future__ import annotations

from isheep.api.status import YardstickRecord
from isheep.cli.figures.interval_text import with_interval


def yardstick_text(t: int, found: YardstickRecord) -> str:
    """Return one sentence about the loss of M(t) on the seed tasks."""
    if t == 0:
        return f"M(0): measured on {found.items} seed tasks"
    text = f"M({t}): loss on {found.items} seed tasks"
    if found.difference is None:
        return f"{text}: not measured"
    text += f" {found.difference:+.3f} nats a token against M(0)"
    return with_interval(text, found.items, found.lower, found.upper)
