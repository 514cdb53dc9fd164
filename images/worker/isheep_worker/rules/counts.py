"""The number of rows that each rule dropped, with a few examples.

A count shows that there is a problem, and an example shows the problem. Both go into the manifest
of a stage, so the examples are few and short: a manifest must stay small even if a model writes
long texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isheep_worker.rules.interface import Drop

MAX_EXAMPLES = 5
MAX_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class DropExample:
    """A dropped text and the detail of its drop, each cut to 200 characters."""

    text: str
    detail: str


@dataclass(slots=True)
class DropCount:
    """The drops of one rule; `examples` are the first five."""

    count: int = 0
    examples: list[DropExample] = field(default_factory=list)


class DropCounts:
    """Counts drops by rule; the rules are in the order of their first drops."""

    def __init__(self) -> None:
        self._counts: dict[str, DropCount] = {}

    def add(self, drop: Drop, text: str) -> None:
        """Count one dropped row; `text` is the example that people see."""
        count = self._counts.setdefault(drop.rule, DropCount())
        count.count += 1
        if len(count.examples) < MAX_EXAMPLES:
            count.examples.append(DropExample(shortened(text), shortened(drop.detail)))

    def by_rule(self) -> Mapping[str, DropCount]:
        """Return the counts so far, by the name of the rule."""
        return self._counts

    @property
    def total(self) -> int:
        """The number of rows that all rules dropped."""
        return sum(count.count for count in self._counts.values())


def shortened(text: str) -> str:
    """Return a text cut to 200 characters."""
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
