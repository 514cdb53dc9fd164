"""The types of the guards: what they read, a rule, and an alarm.

A look is made after each model or training set. It has figures by name. Each figure is compared
with the first look in the same prompt format, because the first model answers raw text in some runs
and all later models answer in a chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from isheep.contract.choices import GuardRuleName
from isheep_worker.collapse.interface import Figure

Direction: TypeAlias = Literal["Up", "Down"]
Evidence: TypeAlias = Literal["Twice", "Far"]
"""What raised an alarm: two consecutive looks above the limit, or one look far above it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure of one look, and the prompt format of the texts that it was computed from."""

    figure: Figure
    prompt_format: str


@dataclass(frozen=True, slots=True)
class Look:
    """The readings of one iteration t, by the name of the figure."""

    iteration: int
    readings: Mapping[str, Reading]


def look(iteration: int, figures: Mapping[str, Figure], prompt_format: str) -> Look:
    """Return a look whose figures all have one prompt format."""
    return Look(
        iteration, {name: Reading(figure, prompt_format) for name, figure in figures.items()}
    )


@dataclass(frozen=True, slots=True)
class GuardRule:
    """A rule: an alarm if `figure` changes in `direction` by at least `limit`.

    The limit is a share of the first value if `relative`, and otherwise has the unit of the figure.
    A smaller change is harmless even if it is no chance. `meaning` is a clause for people: what the
    change shows.
    """

    name: GuardRuleName
    figure: str
    direction: Direction
    limit: float
    relative: bool
    meaning: str

    def bound(self, first: float) -> float:
        """Return the limit in the unit of the figure, for its first value."""
        return self.limit * abs(first) if self.relative else self.limit


@dataclass(frozen=True, slots=True)
class Alarm:
    """The alarm of a rule at one look, with the value there and at the look it is compared with."""

    rule: GuardRule
    evidence: Evidence
    iteration: int
    value: float
    first_iteration: int
    first_value: float
    items: int

    @property
    def sentence(self) -> str:
        """The alarm as a sentence for people."""
        moved = "rose" if self.rule.direction == "Up" else "fell"
        looks = "twice in a row" if self.evidence == "Twice" else "far beyond the limit"
        return (
            f"{self.rule.name}: {self.rule.meaning}. {self.rule.figure} {moved} from "
            f"{self.first_value:.3g} (t = {self.first_iteration}) to {self.value:.3g} "
            f"(t = {self.iteration}, {self.items} items), {looks}."
        )
