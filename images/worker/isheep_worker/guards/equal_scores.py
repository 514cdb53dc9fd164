"""The self-scores of all pairs are nearly equal, so the selection is arbitrary."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="EqualScores",
    figure="scoreSpread",
    direction="Down",
    limit=0.4,
    relative=True,
    meaning="the scores distinguish the pairs less",
)
