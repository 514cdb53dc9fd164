"""The types of rules: a name, a deterministic check of one row, and a description of the check.

A check reads a row and returns None, or a detail for people: the text that it found in the row. A
check never changes a row and never compares it with other rows; the rules that compare are in
`isheep_worker.curation`. Curate applies the rules over instructions. Assess, measure or select
applies the rules over pairs, before a pair is scored. A group rule reads all pairs of one
instruction and drops all of them or none.

Every check takes time linear in the length of the row, because a model wrote the row.

Each rule contains one sentence about the rows that it drops, and an example of such a row.
`docs/reference/rules.md` is made from both, and a test applies each rule to its example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Task(Protocol):
    """The part of a row that instruction rules see: a parsed task, or a row with these fields."""

    @property
    def instruction(self) -> str: ...  # noqa: D102 - the name is enough
    @property
    def input(self) -> str: ...  # noqa: D102


class Pair(Task, Protocol):
    """The part of a row that pair rules see."""

    @property
    def response(self) -> str: ...  # noqa: D102
    @property
    def finish_reason(self) -> str:
        """`stop` or `length` if it is known why the response ended."""


RowT_contra = TypeVar("RowT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Example:
    """A task or a pair that a rule drops; it satisfies both `Task` and `Pair`."""

    instruction: str = "Name a small bird."
    input: str = ""
    response: str = ""
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Rule(Generic[RowT_contra]):
    """A named filter of one row.

    `drops` is one sentence about the rows that the rule drops, and `example` is such a row; a topic
    is a plain text. An `english_only` rule assumes English or ASCII, so it applies to runs in
    English only.
    """

    name: str
    check: Callable[[RowT_contra], str | None]
    drops: str
    example: Example | str
    english_only: bool = False


@dataclass(frozen=True, slots=True)
class GroupRule:
    """A named filter of all pairs of one instruction together; see `Rule` for the fields."""

    name: str
    check: Callable[[Sequence[Pair]], str | None]
    drops: str
    example: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """The cause of a drop: the name of the rule, and the text that the rule found."""

    rule: str
    detail: str


def first_drop(rules: Iterable[Rule[RowT_contra]], row: RowT_contra) -> Drop | None:
    """Return the result of the first rule that drops a row.

    Args:
        rules: The rules, in the order of their set.
        row: The row that is checked.

    Returns:
        The name of the rule and the text that it found, or None if no rule drops the row.
    """
    for rule in rules:
        detail = rule.check(row)
        if detail is not None:
            return Drop(rule.name, detail)
    return None
