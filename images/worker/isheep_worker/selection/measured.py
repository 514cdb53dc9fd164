"""The common part of the methods that decide by measures: rows, pairs and clusters."""

from __future__ import annotations

from collections.abc import Iterator

from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.measures.clusters import clusters_of
from isheep_worker.measures.perplexity import perplexity
from isheep_worker.measures.vectors import vector_bytes
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import MEASURES, PAIRS, MeasureRow, PairRow, SelectionRow
from isheep_worker.rules.drop_reasons import MEASURE_NOT_FINITE
from isheep_worker.selection.interface import required, selection_row


def measured_pairs(
    context: StageContext[SelectSettings],
) -> Iterator[tuple[PairRow, MeasureRow]]:
    """Return each pair of the stage with its measures, in order."""
    return zip(context.rows("pairs", PAIRS), context.rows("measures", MEASURES), strict=True)


def measured_row(pair: PairRow, measure: MeasureRow, reason: str | None) -> SelectionRow:
    """Return the row of a pair, with its perplexities.

    Args:
        pair: The pair.
        measure: The measures of the pair.
        reason: The reason of the method for a drop, or None. If a rule dropped the pair or the pair
            has no measures, that is the reason instead.

    Returns:
        The row.

    Raises:
        ValueError: The measures are those of another pair.
    """
    if pair.id != measure.id:
        raise ValueError(f"the measures of {measure.id} are at the place of {pair.id}")
    if measure.rule is not None:
        return selection_row(pair, measure.rule)
    if measure.response_loss is None or measure.pair_loss is None:
        return selection_row(pair, measure.reason or MEASURE_NOT_FINITE.name)
    perplexities = {
        "ResponsePerplexity": perplexity(measure.response_loss),
        "PairPerplexity": perplexity(measure.pair_loss),
    }
    return selection_row(pair, reason, perplexities)


def clustered_pairs(context: StageContext[SelectSettings]) -> Iterator[tuple[str, int, float]]:
    """Yield the id, the number of the cluster and the loss of each pair that has a vector.

    The function writes the vectors to a file, because memory may be too small for all of them. A
    loss is the mean over the tokens of the pair, in nats.
    """
    path = context.scratch / "vectors"
    measured: list[tuple[str, float]] = []
    with path.open("wb") as file:
        for row in context.rows("measures", MEASURES):
            if row.vector is not None and row.pair_loss is not None:
                file.write(vector_bytes(row.vector))
                measured.append((row.id, row.pair_loss))
    labels = clusters_of(
        path,
        len(measured),
        required(context.settings.clusters, "clusters"),
        item_seed(context.settings.random_seed, context.step.id, "clusters") % 2**32,
        context.stop.check,
    )
    for (id_, loss), label in zip(measured, labels, strict=True):
        yield id_, label, loss
