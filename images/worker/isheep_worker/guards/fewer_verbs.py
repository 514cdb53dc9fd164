"""The instructions of D(t) begin with fewer different words: verbs in most instructions."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="FewerVerbs",
    figure="leadingWordEntropy",
    direction="Down",
    limit=0.15,
    relative=True,
    meaning="the instructions of the training set begin with fewer different verbs",
)
