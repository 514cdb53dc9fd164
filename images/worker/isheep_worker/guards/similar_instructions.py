"""The instructions of D(t) are more similar to each other."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="SimilarInstructions",
    figure="nearestInstruction",
    direction="Up",
    limit=0.1,
    relative=False,
    meaning="the instructions of the training set are more similar to each other",
)
