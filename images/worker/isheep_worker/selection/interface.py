"""What all selection methods make of a pair: a row of D(t), or a row that says why not.

Reasons are counted in the report, so they are few: `rule:<name>` (a pair rule),
`score:<level>` (not above the threshold), `unparseable:<level>` and
`unscorable:<level>` (no score was had), `unscorable:<kind>` (no measure was had),
`perplexity:Response` and `perplexity:Pair` (not below the bound), `cluster:not_drawn`
and `cluster:perplexity` (another pair of the cluster was kept), `not_drawn` (Random). A
level stands in them by its name in the spec, such as `Quality`.
"""

from __future__ import annotations

from collections.abc import Mapping

from isheep_worker.measures.perplexity import perplexity
from isheep_worker.rows.schema import MeasureRow, PairRow, SelectionRow

RULE = "rule:"


def selection_row(
    pair: PairRow, reason: str | None, scores: Mapping[str, float] | None = None
) -> SelectionRow:
    """Return a pair with its fate: kept where there is no reason against it."""
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


def measured_row(pair: PairRow, measure: MeasureRow, reason: str | None) -> SelectionRow:
    """Return a pair with its fate and its perplexities; one that has no measure is not kept.

    `reason` is what else is against it. Raises `ValueError` where the rows do not
    belong together.
    """
    if pair.id != measure.id:
        raise ValueError(f"the measures of {measure.id} stand where those of {pair.id} should")
    if measure.rule is not None:
        return selection_row(pair, f"{RULE}{measure.rule}")
    if measure.response_loss is None or measure.pair_loss is None:
        return selection_row(pair, measure.reason or "unscorable")
    perplexities = {
        "ResponsePerplexity": perplexity(measure.response_loss),
        "PairPerplexity": perplexity(measure.pair_loss),
    }
    return selection_row(pair, reason, perplexities)
