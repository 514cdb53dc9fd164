"""More answers to the same instructions reach the length limit: the model stops less."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="CutAnswers",
    figure="answerCutShare",
    direction="Up",
    limit=0.15,
    relative=False,
    meaning="more answers to the same instructions do not end",
)
