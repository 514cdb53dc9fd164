"""None: every pair that passes the rules is kept (without rules, the paper's C = -1)."""

from __future__ import annotations

from collections.abc import Sequence

from isheep.contract.choices import Thinking
from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.rows.schema import PAIRS, PairRow, SelectionRow
from isheep_worker.rules.interface import Pair, Rule
from isheep_worker.rules.response import judged, pair_drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.selection.interface import Decisions, selection_row


def decide(
    pair: PairRow, rules: Sequence[Rule[Pair]], thinking: Thinking | None = None
) -> SelectionRow:
    """Return the row of a pair.

    Args:
        pair: The pair.
        rules: The pair rules of the run's set, in order.
        thinking: What happens to thoughts in responses; None means Remove.

    Returns:
        The row; it is kept if no rule drops the pair.
    """
    drop = pair_drop(rules, judged(pair, thinking))
    return selection_row(pair, drop.rule if drop else None)


def decisions(context: StageContext[SelectSettings]) -> Decisions:
    """Return the decisions by the rules, which no earlier stage has applied."""
    settings = context.settings
    rules = rule_set(settings.rules or "None", settings.language or "en", settings.cut).pair_rules
    return lambda: (decide(pair, rules, settings.thinking) for pair in context.rows("pairs", PAIRS))
