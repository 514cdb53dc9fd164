"""The interface of a selection method, and the row that it makes of each pair.

A kept pair is a row of D(t). Any other pair gets a reason: the name of a rule, or a name of
`isheep_worker.rules.drop_reasons`. The report counts reasons, so there are few of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, TypeVar

from isheep.contract.order import ContractError
from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.rows.schema import PairRow, SelectionRow

Decisions: TypeAlias = Callable[[], Iterator[SelectionRow]]
"""Returns the rows of all pairs in their order; each call reads the pairs again."""
SelectionMethod: TypeAlias = Callable[[StageContext[SelectSettings]], Decisions]
"""A method: it reads what it must know of all pairs, and returns its decisions on each pair."""

ValueT = TypeVar("ValueT")


def selection_row(
    pair: PairRow, reason: str | None, scores: Mapping[str, float] | None = None
) -> SelectionRow:
    """Return the row of a pair.

    Args:
        pair: The pair.
        reason: The name of the reason why the pair is dropped; None if it is kept.
        scores: The numbers that the method decided by, under their names.

    Returns:
        The row; it is kept if there is no reason.
    """
    return SelectionRow(
        id=pair.id,
        instruction=pair.instruction,
        input=pair.input,
        response=pair.response,
        finish_reason=pair.finish_reason,
        kept=reason is None,
        reason=reason,
        scores=dict(scores or {}),
    )


def required(value: ValueT | None, field: str) -> ValueT:
    """Return a setting that a method needs; raises `ContractError` if the order lacks it."""
    if value is None:
        raise ContractError(f"select: the settings have no {field}, which their method needs")
    return value
