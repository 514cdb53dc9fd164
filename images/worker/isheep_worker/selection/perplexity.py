"""Perplexity: a pair is kept if M(t-1) finds it likely (Table 3).

Both its response, given the prompt, and the pair as a whole must have a perplexity
below the bound, strictly; the paper's is 50.
"""

from __future__ import annotations

from isheep_worker.measures.perplexity import is_below
from isheep_worker.rows.schema import MeasureRow, PairRow, SelectionRow
from isheep_worker.selection.interface import measured_row


def decide(pair: PairRow, measure: MeasureRow, limit: float) -> SelectionRow:
    """Return a pair's row; the response's perplexity is looked at first."""
    return measured_row(pair, measure, _reason(measure, limit))


def _reason(measure: MeasureRow, limit: float) -> str | None:
    losses = {"Response": measure.response_loss, "Pair": measure.pair_loss}
    above = (n for n, loss in losses.items() if loss is not None and not is_below(loss, limit))
    return next((f"perplexity:{name}" for name in above), None)
