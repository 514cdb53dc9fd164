"""No selection: every pair that passes the rules is kept (with no rules, the paper's C = -1)."""

from __future__ import annotations

from collections.abc import Sequence

from isheep_worker.rows.schema import PairRow, SelectionRow
from isheep_worker.rules.interface import Pair, Rule
from isheep_worker.rules.response import pair_drop
from isheep_worker.selection.interface import selection_row


def decide(pair: PairRow, rules: Sequence[Rule[Pair]]) -> SelectionRow:
    """Return a pair's row: kept unless a rule drops it."""
    drop = pair_drop(rules, pair)
    return selection_row(pair, f"rule:{drop.rule}" if drop else None)
