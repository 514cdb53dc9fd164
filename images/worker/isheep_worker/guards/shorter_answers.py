"""The model answers the same instructions with fewer words."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="ShorterAnswers",
    figure="answerWords",
    direction="Down",
    limit=0.25,
    relative=True,
    meaning="the answers to the same instructions are shorter",
)
