"""The grades of M(t) as text: each mean with its difference from M(0), questions and interval."""

from __future__ import annotations

from isheep.api.status import GradeRecord, SecondTurnRecord


def grade_text(t: int, found: GradeRecord) -> str:
    """Return one sentence about the grades of M(t), with the second turns after the others."""
    text = f"M({t}): mean grade {found.mean:.2f} on {found.items} questions of {found.name}, "
    text += _difference(found, found.items)
    if (second := found.second_turn) is not None:
        # A verdict of an earlier version does not have their number.
        questions = "" if second.items is None else f" on {second.items} questions"
        items = found.items if second.items is None else second.items
        text += f"; second turns alone {second.mean:.2f}{questions}, {_difference(second, items)}"
    return text


def _difference(found: GradeRecord | SecondTurnRecord, items: int) -> str:
    text = f"{found.difference:+.2f} from M(0)"
    if found.lower is None or found.upper is None:
        return f"{text} (too few questions ({items}) for an interval)"
    interval = f"95 % interval {found.lower:+.2f} to {found.upper:+.2f}"
    if found.lower <= 0 <= found.upper:
        interval += ", no significant difference"
    return f"{text} ({interval})"
