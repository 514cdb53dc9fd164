"""The responses of D(t) have fewer different pairs of words."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="FewerPhrases",
    figure="distinct2",
    direction="Down",
    limit=0.15,
    relative=True,
    meaning="the responses of the training set have fewer different phrases",
)
