"""The model is more certain of its own responses."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="Certainty",
    figure="logProbability",
    direction="Up",
    limit=0.3,
    relative=False,
    meaning="the model is more certain of its own responses",
)
