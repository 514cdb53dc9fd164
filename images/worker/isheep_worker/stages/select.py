"""select: which pairs make D(t), and for every other one the reason (§3.2, Table 3).

Pairs and scores or measures were written in the same order, so they are read side by
side, and again for each look at all of them, so that memory does not hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import fmean
from typing import TypeVar

from isheep.contract.order import ContractError
from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.single_writer import drop_examples, drop_statistics, write_parts
from isheep_worker.measures.clusters import clusters_of
from isheep_worker.measures.vectors import vector_bytes
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.schema import (
    MEASURES,
    PAIRS,
    SCORES,
    SELECTIONS,
    MeasureRow,
    PairRow,
    SelectionRow,
)
from isheep_worker.rules.counts import DropCounts
from isheep_worker.rules.interface import Drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.selection import (
    density,
    density_perplexity,
    none,
    perplexity,
    random_sample,
    self_assessment,
)

Decisions = Callable[[], Iterator[SelectionRow]]
"""Each call yields the rows of all pairs, in their order, as one method decides."""
ValueT = TypeVar("ValueT")


def run(context: StageContext[SelectSettings]) -> StageOutcome:
    """Choose D(t) and commit it."""
    tally = _Tally(scored=bool(context.settings.levels))
    lines = (SELECTIONS.encode(tally.count(row)) for row in _verdicts(context))
    count = write_parts(context, lines)
    return commit(
        context,
        tally.statistics(),
        parts=context.artifacts.collect_parts(context.step.key, count),
        examples=drop_examples(tally.drops),
    )


class _Tally:
    """Counts rows as they go by; `scored` says that their scores are an assessor's."""

    def __init__(self, *, scored: bool) -> None:
        self.drops = DropCounts()
        self._has_scores = scored
        self._pairs = self._kept = 0
        self._scored = 0
        self._sum_of_means = 0.0

    def count(self, row: SelectionRow) -> SelectionRow:
        self._pairs += 1
        if row.reason is not None:
            self.drops.add(Drop(row.reason, row.reason), f"{row.instruction} -> {row.response}")
            return row
        self._kept += 1
        if self._has_scores and row.scores:
            self._scored += 1
            self._sum_of_means += fmean(row.scores.values())
        return row

    def statistics(self) -> dict[str, float]:
        statistics = {"pairs": self._pairs, "kept": self._kept, **drop_statistics(self.drops)}
        if self._scored:
            statistics["meanScore"] = self._sum_of_means / self._scored
        return statistics


def _verdicts(context: StageContext[SelectSettings]) -> Iterator[SelectionRow]:
    settings = context.settings
    if settings.method != "Random":
        return _METHODS[settings.method](context)()
    return _drawn(context, _METHODS[settings.size_of or "None"](context))


def _drawn(context: StageContext[SelectSettings], others: Decisions) -> Iterator[SelectionRow]:
    settings = context.settings
    size = settings.size
    if size is None:
        size = sum(row.kept for row in others())
    passing = random_sample.passing(others())
    drawn = random_sample.draw(passing, size, settings.random_seed, context.step.id)
    return (random_sample.decide(row, drawn) for row in others())


def _ruled(context: StageContext[SelectSettings]) -> Decisions:
    settings = context.settings
    rules = rule_set(settings.rules or "None", settings.language or "en").pair_rules
    return lambda: (none.decide(pair, rules) for pair in context.rows("pairs", PAIRS))


def _assessed(context: StageContext[SelectSettings]) -> Decisions:
    settings = context.settings
    threshold = -1 if settings.threshold is None else settings.threshold

    def verdicts() -> Iterator[SelectionRow]:
        scores = context.rows("scores", SCORES)
        for pair, score in zip(context.rows("pairs", PAIRS), scores, strict=True):
            yield self_assessment.decide(pair, score, settings.levels, threshold)

    return verdicts


def _likely(context: StageContext[SelectSettings]) -> Decisions:
    limit = _needed(context.settings.max_perplexity)
    return lambda: (perplexity.decide(*both, limit) for both in _measured_pairs(context))


def _spread(context: StageContext[SelectSettings]) -> Decisions:
    clustered = ((id_, cluster) for id_, cluster, _ in _clustered(context))
    drawn = density.draw(clustered, context.settings.random_seed, context.step.id)
    return lambda: (density.decide(*both, drawn) for both in _measured_pairs(context))


def _spread_and_likely(context: StageContext[SelectSettings]) -> Decisions:
    chosen = density_perplexity.likeliest(_clustered(context))
    return lambda: (density_perplexity.decide(*both, chosen) for both in _measured_pairs(context))


_METHODS: Mapping[str, Callable[[StageContext[SelectSettings]], Decisions]] = {
    "SelfAssessment": _assessed,
    "Perplexity": _likely,
    "Density": _spread,
    "DensityPerplexity": _spread_and_likely,
    "None": _ruled,
}


def _clustered(context: StageContext[SelectSettings]) -> Iterator[tuple[str, int, float]]:
    """Yield the id, the cluster's number and the loss of each pair that has a vector.

    The vectors go into a file on the way: there may be more than memory holds.
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
        _needed(context.settings.clusters),
        item_seed(context.settings.random_seed, context.step.id, "clusters") % 2**32,
        context.stop.check,
    )
    for (id_, loss), label in zip(measured, labels, strict=True):
        yield id_, label, loss


def _measured_pairs(
    context: StageContext[SelectSettings],
) -> Iterator[tuple[PairRow, MeasureRow]]:
    return zip(context.rows("pairs", PAIRS), context.rows("measures", MEASURES), strict=True)


def _needed(value: ValueT | None) -> ValueT:
    """Return a setting that the method needs; without it the order is none of ours."""
    if value is None:
        raise ContractError("select: its settings lack a field that their method needs")
    return value
