"""The tables of docs/reference/stuck-runs.md: what a user sees for each cause."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "stuck-runs.md"
HEADER = ("cause", "phase", "reason", "the message contains", "what to do")
NOTHING = "–"


@dataclass(frozen=True)
class Row:
    """One cause: phase and reason, and a part of the message of the condition Ready."""

    cause: str
    phase: str
    reason: str
    words: str
    remedy: str


def rows(text: str) -> list[Row]:
    """Return the rows of all tables of the page that have the columns of causes."""
    found: list[Row] = []
    inside = False
    for line in text.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if not line.startswith("|"):
            inside = False
        elif cells == HEADER:
            inside = True
        elif inside and not set(line) <= set("|-"):
            cause, phase, reason, words, remedy = cells
            found.append(Row(cause, phase, reason, words.strip("`").replace(NOTHING, ""), remedy))
    return found
