"""The types of constraints: a constraint that an instruction states, and a kind of constraint.

A kind finds its constraints with patterns. The patterns prefer precision: they miss unusual words
for a constraint rather than find one that is not there. Instructions are generated text, so each
gap in a pattern has a bound, and a pattern takes linear time.

The checks are those of IFEval (Zhou et al. 2023) as lm-eval has them; a test compares both. lm-eval
is not used here, because it takes 10 seconds of CPU to load, which every report would need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of one instruction.

    `kind` is IFEval's name of the kind, and `value` is what the instruction asks for, such as
    `at least 300`; it is empty if the kind has no value.
    """

    kind: str
    value: str
    is_satisfied: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class ConstraintKind:
    """A kind of constraint: IFEval's name, its meaning, and how to find it in one sentence."""

    name: str
    meaning: str
    find: Callable[[str], Iterable[Constraint]]
