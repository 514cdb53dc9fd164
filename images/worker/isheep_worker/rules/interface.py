"""What a rule is: a name and a deterministic check of one row.

A check looks at a row and returns None, or a detail for people: what it found,
in the row's own words. It never changes a row and knows of no other row
(deduplication, which does, is a module of its own). Rules over an instruction
run in curate, rules over a pair before it is scored. A group rule looks at all pairs
of one instruction, where it has several, and drops all or none.

Every check takes time linear in the row: what it reads was written by a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Task(Protocol):
    """What instruction rules see: a parsed task, an `InstructionRow`, a `PairRow`."""

    @property
    def instruction(self) -> str: ...  # noqa: D102 - the name says it
    @property
    def input(self) -> str: ...  # noqa: D102


class Pair(Task, Protocol):
    """What pair rules see."""

    @property
    def response(self) -> str: ...  # noqa: D102


RowT_contra = TypeVar("RowT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Rule(Generic[RowT_contra]):
    """A named filter. `english_only`: it assumes English or ASCII and would be wrong elsewhere."""

    name: str
    check: Callable[[RowT_contra], str | None]
    english_only: bool = False


@dataclass(frozen=True, slots=True)
class GroupRule:
    """A named filter of all pairs of one instruction together."""

    name: str
    check: Callable[[Sequence[Pair]], str | None]


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a row was dropped: the rule's name and what it found."""

    rule: str
    detail: str


def first_drop(rules: Iterable[Rule[RowT_contra]], row: RowT_contra) -> Drop | None:
    """Return the first rule's objection to a row, in the set's order, or None."""
    for rule in rules:
        detail = rule.check(row)
        if detail is not None:
            return Drop(rule.name, detail)
    return None
