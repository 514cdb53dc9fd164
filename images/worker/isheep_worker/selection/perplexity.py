"""Perplexity: a pair is kept if its perplexity under M(t-1) is low (Table 3).

The perplexity of the response and that of the whole pair must both be below the maximum, strictly.
The paper's maximum is 50. `selection.perplexity.given` decides whether the response is measured
after its prompt or alone.
"""

from __future__ import annotations

from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.measures.perplexity import is_below
from isheep_worker.rows.schema import MeasureRow, PairRow, SelectionRow
from isheep_worker.rules.drop_reasons import PERPLEXITY_PAIR, PERPLEXITY_RESPONSE
from isheep_worker.selection.interface import Decisions, required
from isheep_worker.selection.measured import measured_pairs, measured_row


def decide(pair: PairRow, measure: MeasureRow, limit: float) -> SelectionRow:
    """Return the row of a pair.

    Args:
        pair: The pair.
        measure: The losses of the pair, in nats per token.
        limit: The maximum perplexity, `selection.perplexity.max`.

    Returns:
        The row. If both perplexities are too high, the reason is that of the response.

    Raises:
        ValueError: The measures are those of another pair.
    """
    return measured_row(pair, measure, _reason(measure, limit))


def decisions(context: StageContext[SelectSettings]) -> Decisions:
    """Return the decisions by the losses of the measure stage."""
    limit = required(context.settings.max_perplexity, "maxPerplexity")
    return lambda: (decide(*both, limit) for both in measured_pairs(context))


def _reason(measure: MeasureRow, limit: float) -> str | None:
    losses = {
        PERPLEXITY_RESPONSE.name: measure.response_loss,
        PERPLEXITY_PAIR.name: measure.pair_loss,
    }
    for name, loss in losses.items():
        if loss is not None and not is_below(loss, limit):
            return name
    return None
