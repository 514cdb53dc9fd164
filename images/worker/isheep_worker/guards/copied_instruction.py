"""The answers repeat the instruction."""

from __future__ import annotations

from isheep_worker.guards.interface import GuardRule

RULE = GuardRule(
    name="CopiedInstruction",
    figure="answerEcho",
    direction="Up",
    limit=0.1,
    relative=False,
    meaning="the answers repeat their instruction",
)
