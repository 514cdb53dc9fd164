"""The interface of a kind of control: a function that damages a response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A response to damage, and the response to another instruction, "" if there is none."""

    response: str
    other: str = ""


Damage = Callable[[Source], str | None]
"""Returns the damaged response, or None if this response cannot be damaged in this way."""


@dataclass(frozen=True, slots=True)
class ControlDefinition:
    """A kind of control: its damage, and what the damage is in words for the report."""

    damage: Damage
    meaning: str
