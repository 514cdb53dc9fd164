"""Whether the assessor has changed: its scores of the same pairs in different iterations.

With the assessor Previous, another model scores in each iteration, and an endpoint can change under
its name. If the same pairs get other scores, the scores and the sets D(t) of two iterations cannot
be compared. Two figures describe the change at each level. The mean difference, paired by pair,
shows whether the assessor became more lenient. Kendall's tau shows whether it still orders the
pairs in the same way. Sampled scores contain chance, so tau is below 1 for the same assessor too.

The pairs are a random draw from all scored pairs of the first iteration, so few of them are from
the same completion, and each pair counts as its own cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from isheep.contract.choices import PromptFormat
from isheep_worker.collapse.interface import Figure, mean_figure
from isheep_worker.rows.schema import ScoreRow
from isheep_worker.statistics.comparison import Comparison, compare
from isheep_worker.statistics.rank_correlation import RankCorrelation, rank_correlation

ANCHOR_SCORE = "anchorScore"
"""The name of the guards' figure: the mean score of the same pairs, over the levels."""


@dataclass(frozen=True, slots=True)
class AnchorLook:
    """The scores of the same pairs by the assessor of an iteration, and its prompt format."""

    iteration: int
    prompt_format: PromptFormat
    rows: Sequence[ScoreRow]


@dataclass(frozen=True, slots=True)
class AssessorDrift:
    """The scores of the same pairs at one level, in the first iteration and in a later one.

    `missing` is the number of pairs that have no score in the later iteration. `comparison` is None
    if no pair has both scores. `first_format` and `prompt_format` are those of the prompts; if they
    differ, the figures describe the other format and the other model together.
    """

    level: str
    first_format: PromptFormat
    prompt_format: PromptFormat
    missing: int
    comparison: Comparison | None
    order: RankCorrelation

    @property
    def verdict(self) -> str:
        """What the comparison says, in a few words."""
        found = self.comparison
        if found is None or found.change == "TooFewItems":
            return f"too few items ({0 if found is None else found.items})"
        if found.change == "NotSignificant":
            return "no significant change"
        return "more lenient" if found.change == "Higher" else "stricter"


def anchor_looks(
    scores: Iterable[tuple[int, PromptFormat, Callable[[], Iterable[ScoreRow]]]],
) -> list[AnchorLook]:
    """Return the scores of the anchors by iteration.

    Args:
        scores: For each iteration in order: its number, the format of the assessor's prompts, and a
            function that reads the scores. The first iteration has the scores of all pairs, and the
            later ones have those of the anchors.

    Returns:
        One look for each iteration, with the scores of the anchors only.
    """
    given = list(scores)
    later = [AnchorLook(t, prompt_format, list(read())) for t, prompt_format, read in given[1:]]
    drawn = {row.id for look in later for row in look.rows}
    first = [
        AnchorLook(t, prompt_format, [row for row in read() if row.id in drawn])
        for t, prompt_format, read in given[:1]
    ]
    return [*first, *later]


def anchor_figure(rows: Iterable[ScoreRow]) -> Figure:
    """Return the mean score of the pairs over the levels, for the guards; paired by pair."""
    means = {row.id: fmean(scores) for row in rows if (scores := _scores(row)) is not None}
    return mean_figure(list(means.values()), tuple(means))


def assessor_drift(first: AnchorLook, later: AnchorLook, seed: int) -> tuple[AssessorDrift, ...]:
    """Return the change of the assessor at each level of the later scores.

    Args:
        first: The scores of the first iteration.
        later: The scores of the same pairs in a later iteration.
        seed: The random seed of the intervals.
    """
    before = {row.id: row for row in first.rows}
    levels = dict.fromkeys(level for row in later.rows for level in row.levels)
    return tuple(_drift(level, before, first, later, seed) for level in levels)


def _drift(
    level: str, before: Mapping[str, ScoreRow], first: AnchorLook, later: AnchorLook, seed: int
) -> AssessorDrift:
    both = [
        (then, now)
        for row in later.rows
        if row.id in before
        and (then := _score(before[row.id], level)) is not None
        and (now := _score(row, level)) is not None
    ]
    earlier, later_scores = [then for then, _ in both], [now for _, now in both]
    rng = np.random.default_rng(seed)
    return AssessorDrift(
        level,
        first.prompt_format,
        later.prompt_format,
        missing=len(later.rows) - len(both),
        comparison=compare(earlier, later_scores, None, rng) if both else None,
        order=rank_correlation(earlier, later_scores),
    )


def _score(row: ScoreRow, level: str) -> float | None:
    return row.levels[level].score if level in row.levels else None


def _scores(row: ScoreRow) -> list[float] | None:
    """Return the scores of a pair; None if a level has none."""
    scores = [level.score for level in row.levels.values()]
    known = [score for score in scores if score is not None]
    return known if known and len(known) == len(scores) else None
