"""The model gives similar answers to different instructions."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="SimilarAnswers",
    figure="answerSimilarity",
    direction="Up",
    limit=0.1,
    relative=False,
    meaning="the answers to different instructions are more similar",
)
