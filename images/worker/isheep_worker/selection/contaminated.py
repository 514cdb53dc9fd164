"""No method keeps a pair whose response repeats a benchmark.

A model can repeat an item in its answer although the instruction does not. The instructions that do
are dropped by curate. The pairs are excluded like those that a rule drops, so Random draws as many
of the others.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from isheep.recipes.settings import SelectSettings
from isheep_worker.curation.stored_benchmarks import stored_decontaminator
from isheep_worker.execution.context import StageContext
from isheep_worker.rows.schema import PAIRS, SelectionRow
from isheep_worker.rules.drop_reasons import CONTAMINATED_RESPONSE
from isheep_worker.rules.registry import PAIR_RULE_NAMES
from isheep_worker.selection.interface import Decisions, SelectionMethod

EXCLUDED = PAIR_RULE_NAMES | {CONTAMINATED_RESPONSE.name}
"""Reasons that exclude a pair from D(t) for every method."""


def decontaminated(method: SelectionMethod) -> SelectionMethod:
    """Return a method that decides as the given one, and keeps no contaminated pair."""

    def decisions(context: StageContext[SelectSettings]) -> Decisions:
        rows, found = method(context), contaminated_ids(context)
        return lambda: (decide(row, found) for row in rows())

    return decisions


def contaminated_ids(context: StageContext[SelectSettings]) -> frozenset[str]:
    """Return the ids of the pairs whose response shares words with a benchmark."""
    search = stored_decontaminator(context.inputs, context.settings.decontamination)
    if search is None:
        return frozenset()
    pairs = context.rows("pairs", PAIRS)
    return frozenset(pair.id for pair in pairs if search.match(pair.response) is not None)


def decide(row: SelectionRow, contaminated: AbstractSet[str]) -> SelectionRow:
    """Return the row of a pair.

    Args:
        row: The row of the pair by a method.
        contaminated: The ids of the contaminated pairs.

    Returns:
        The row. A contaminated pair is not kept, unless a rule has dropped it already.
    """
    if row.id not in contaminated or row.reason in PAIR_RULE_NAMES:
        return row
    return replace(row, kept=False, reason=CONTAMINATED_RESPONSE.name)
