"""The operator keeps a run in its memory only as long as a pass needs it (docs/architecture.md).

A run that has ended rests, so its record has no spec and no status. Nothing is left of a run that
is gone. `memory_at_end` looks at the operator at the end of each simulation.
"""

from __future__ import annotations

from ..history import History


def violations(history: History) -> list[str]:
    """Return what the operator has kept."""
    return list(history.kept)
