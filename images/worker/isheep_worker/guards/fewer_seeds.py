"""Fewer of the seed tasks lead to instructions in D(t)."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="FewerSeeds",
    figure="seedEntropy",
    direction="Down",
    limit=0.1,
    relative=True,
    meaning="fewer seed tasks lead to instructions in the training set",
)
