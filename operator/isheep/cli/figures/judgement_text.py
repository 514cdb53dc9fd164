"""The win rate of M(t) as text: always with its questions and its interval."""

from __future__ import annotations

from isheep.api.status import JudgementRecord


def judgement_text(t: int, found: JudgementRecord) -> str:
    """Return one sentence about M(t) on a judgement."""
    text = f"M({t}): win rate {found.rate:.3f} on {found.items} questions of {found.name}"
    if found.lower is None or found.upper is None:
        return f"{text}; too few questions ({found.items}) for an interval"
    interval = f"95 % interval {found.lower:.3f} to {found.upper:.3f}"
    if found.lower <= 0.5 <= found.upper:
        interval += "; no significant difference from 0.5"
    return f"{text} ({interval})"
