"""No part of the operator ends with an error that it does not expect."""

from __future__ import annotations

from ..history import History


def violations(history: History) -> list[str]:
    """Return the unexpected errors; a status that somebody overwrote may be unreadable."""
    return [error for error in history.errors if not (history.exempt and "cannot be read" in error)]
