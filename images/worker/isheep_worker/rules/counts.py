"""How many rows each rule dropped, with a few of them to look at.

A count says that something is wrong, an example says what. Both go into the
stage's statistics, so examples are few and short: a manifest must stay small
however long a model's texts are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isheep_worker.rules.interface import Drop

MAX_EXAMPLES = 5
MAX_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class DropExample:
    """A dropped text and what the rule found in it, each cut to 200 characters."""

    text: str
    detail: str


@dataclass(slots=True)
class DropCount:
    """One rule's drops; `examples` are the first five."""

    count: int = 0
    examples: list[DropExample] = field(default_factory=list)


class DropCounts:
    """Counts drops by rule; rules stand in the order in which they first dropped something."""

    def __init__(self) -> None:
        self._counts: dict[str, DropCount] = {}

    def add(self, drop: Drop, text: str) -> None:
        """Count one dropped row; `text` is what to show of it."""
        count = self._counts.setdefault(drop.rule, DropCount())
        count.count += 1
        if len(count.examples) < MAX_EXAMPLES:
            count.examples.append(DropExample(shortened(text), shortened(drop.detail)))

    def by_rule(self) -> Mapping[str, DropCount]:
        """Return the counts so far."""
        return self._counts

    @property
    def total(self) -> int:
        """How many rows were dropped in all."""
        return sum(count.count for count in self._counts.values())


def shortened(text: str) -> str:
    """Return a text cut to 200 characters."""
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
