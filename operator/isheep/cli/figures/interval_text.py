"""A difference from M(0) with its interval as text, or with the reason why it has none."""

from __future__ import annotations


def with_interval(
    text: str, items: int, lower: float | None, upper: float | None, *, over: str = ""
) -> str:
    """Return a text about a difference, followed by the interval of the difference.

    Args:
        text: Says what differs by how much.
        items: The number of items that the difference is over.
        lower: The lower end of the 95 % interval; None if there are too few items.
        upper: The upper end, with the same unit.
        over: What the interval is over, such as " over seeds"; empty for items.
    """
    if lower is None or upper is None:
        return f"{text}; too few items ({items}) for an interval"
    interval = f"95 % interval{over} {lower:+.3f} to {upper:+.3f}"
    if lower <= 0 <= upper:
        interval += "; no significant difference"
    return f"{text} ({interval})"
