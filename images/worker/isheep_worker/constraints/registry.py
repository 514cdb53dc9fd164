"""The registry of the kinds of constraints, and the constraints of an instruction."""

from __future__ import annotations

from isheep_worker.constraints import (
    bullet_points,
    ending,
    json_format,
    letter_case,
    no_commas,
    quotation,
    word_count,
    words_used,
)
from isheep_worker.constraints.interface import Constraint, ConstraintKind
from isheep_worker.constraints.sentences import constraining_sentences

CONSTRAINT_KINDS: tuple[ConstraintKind, ...] = (
    word_count.KIND,
    bullet_points.KIND,
    letter_case.KIND,
    no_commas.KIND,
    ending.KIND,
    quotation.KIND,
    json_format.KIND,
    words_used.KIND,
)


def stated_constraints(instruction: str) -> tuple[Constraint, ...]:
    """Return the constraints that an instruction states, each one once."""
    found = {
        (one.kind, one.value): one
        for sentence in constraining_sentences(instruction)
        for kind in CONSTRAINT_KINDS
        for one in kind.find(sentence)
    }
    return tuple(found.values())
