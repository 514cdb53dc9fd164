"""The assessor gives the same pairs higher scores than before.

The limit is one point of the ten. `selection.threshold` is a whole number, so a rise of one point
changes D(t) as much as a threshold that is lower by one. The rule has a figure only in runs with
`assessment.anchors`.
"""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="LenientAssessor",
    figure="anchorScore",
    direction="Up",
    limit=1.0,
    relative=False,
    meaning="the assessor gives the same pairs of the first iteration higher scores",
)
