"""The answers to the same instructions repeat themselves."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="Repetition",
    figure="answerRepetition",
    direction="Up",
    limit=0.1,
    relative=False,
    meaning="the answers to the same instructions repeat themselves",
)
