"""More pairs get the top score: the self-scores saturate."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="TopScores",
    figure="topScoreShare",
    direction="Up",
    limit=0.15,
    relative=False,
    meaning="more pairs have the top score",
)
