"""select: which pairs make D(t), and for every other one the reason (§3.2, Table 3).

Pairs and scores were written in the same order, so they are read side by side, and
memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from isheep.recipes.settings import SelectSettings
from isheep_worker.context import StageContext, StageOutcome
from isheep_worker.rows import PAIRS, SCORES, SELECTIONS, PairRow, SelectionRow
from isheep_worker.rules.counts import DropCounts
from isheep_worker.rules.interface import Drop, Pair, Rule
from isheep_worker.rules.sets import rule_set
from isheep_worker.selection import none, random_sample, self_assessment
from isheep_worker.stages.commit import commit
from isheep_worker.stages.single_writer import drop_examples, drop_statistics, write_parts


def run(context: StageContext[SelectSettings]) -> StageOutcome:
    """Choose D(t) and commit it."""
    tally = _Tally()
    lines = (SELECTIONS.encode(tally.count(row)) for row in _verdicts(context))
    count = write_parts(context, lines)
    return commit(
        context,
        tally.statistics(),
        parts=context.artifacts.collect_parts(context.step.key, count),
        examples=drop_examples(tally.drops),
    )


class _Tally:
    """Counts rows as they go by."""

    def __init__(self) -> None:
        self.drops = DropCounts()
        self._pairs = self._kept = 0
        self._scored = 0
        self._sum_of_means = 0.0

    def count(self, row: SelectionRow) -> SelectionRow:
        self._pairs += 1
        if row.reason is not None:
            self.drops.add(Drop(row.reason, row.reason), f"{row.instruction} -> {row.response}")
            return row
        self._kept += 1
        if row.scores:
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
    if settings.method == "SelfAssessment":
        return _assessed(context)
    rules = rule_set(settings.rules or "None", settings.language or "en").pair_rules
    if settings.method == "Random":
        return _drawn(context, rules)
    return (none.verdict(pair, rules) for pair in _pairs(context))


def _assessed(context: StageContext[SelectSettings]) -> Iterator[SelectionRow]:
    settings = context.settings
    threshold = -1 if settings.threshold is None else settings.threshold
    scores = context.artifacts.read_lines(context.input_key("scores"))
    for pair, line in zip(_pairs(context), scores, strict=True):
        yield self_assessment.verdict(pair, SCORES.decode(line), settings.levels, threshold)


def _drawn(
    context: StageContext[SelectSettings], rules: tuple[Rule[Pair], ...]
) -> Iterator[SelectionRow]:
    settings = context.settings
    passing = random_sample.passing(_pairs(context), rules)
    size = settings.size or 0
    drawn = random_sample.draw(passing, size, settings.random_seed, context.step.id)
    for pair in _pairs(context):
        yield random_sample.verdict(pair, rules, drawn)


def _pairs(context: StageContext[SelectSettings]) -> Iterator[PairRow]:
    for line in context.artifacts.read_lines(context.input_key("pairs")):
        yield PAIRS.decode(line)
