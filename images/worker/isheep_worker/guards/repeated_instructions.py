"""More instructions of D(t) nearly repeat one of an earlier iteration."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="RepeatedInstructions",
    figure="nearCopiesOfEarlier",
    direction="Up",
    limit=0.1,
    relative=False,
    meaning="more instructions repeat those of earlier iterations",
)
