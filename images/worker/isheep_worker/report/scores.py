"""The figures of an iteration's scores, computed from its score rows in one pass.

The figures of each level show whether the scores discriminate between pairs; mass, entropy and mean
distribution of expected scores; the means by the order of the worked examples, which should not
differ; and the agreement of both scoring methods for pairs that were scored with both.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from isheep_worker.rows.schema import LevelScore, ScoreRow
from isheep_worker.scoring.statistics import score_bin


@dataclass(frozen=True, slots=True)
class OrderMean:
    """The mean score of the pairs whose prompts had the examples in one order."""

    order: str
    pairs: int
    mean: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of both scoring methods over the pairs that have both scores.

    `difference` is the mean of expected minus sampled scores. `correlation` is Pearson's; it is
    None if one of the methods gave each pair the same score.
    """

    pairs: int
    difference: float
    correlation: float | None


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """The figures of the scores of one level. A figure without data is None or empty.

    `mass` is the mean over all pairs that were scored. `entropy` (in nats) and `distribution` (for
    the scores 1 to 10) are means over the pairs that have a score.
    """

    level: str
    scored: int
    distinct: int
    mass: float | None
    entropy: float | None
    distribution: tuple[float, ...]
    orders: tuple[OrderMean, ...]
    agreement: Agreement | None

    @property
    def warning(self) -> str | None:
        """A warning for the reader if all scores are equal, else None."""
        if self.scored < 2 or self.distinct > 1:
            return None
        return (
            f"The {self.level} scores do not discriminate: all {self.scored} are the same when "
            "rounded. Selection keeps all of these pairs, or none, or splits them by decimals: use "
            "another rubric or assessor."
        )


def level_figures(rows: Iterable[ScoreRow]) -> tuple[LevelFigures, ...]:
    """Return the figures of each level, in the order of the levels in the rows."""
    levels: dict[str, _Level] = {}
    for row in rows:
        for name, score in row.levels.items():
            levels.setdefault(name, _Level()).add(score, row.order, row.compared.get(name))
    return tuple(level.figures(name) for name, level in levels.items())


@dataclass(slots=True)
class _Level:
    """The sums of one level over the rows so far."""

    bins: Counter[int] = field(default_factory=Counter)
    masses: list[float] = field(default_factory=lambda: [0, 0.0])
    distributed: int = 0
    entropy: float = 0.0
    probabilities: list[float] = field(default_factory=lambda: [0.0] * 10)
    orders: defaultdict[str, list[float]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0.0])
    )
    moments: list[float] = field(default_factory=lambda: [0, 0.0, 0.0, 0.0, 0.0, 0.0])

    def add(self, score: LevelScore, order: str | None, other: LevelScore | None) -> None:
        if score.mass is not None:
            self.masses = [self.masses[0] + 1, self.masses[1] + score.mass]
        if score.score is None:
            return
        self.bins[score_bin(score.score)] += 1
        if score.entropy is not None and score.distribution is not None:
            self.distributed += 1
            self.entropy += score.entropy
            pairs = zip(self.probabilities, score.distribution, strict=True)
            self.probabilities = [total + p for total, p in pairs]
        if order is not None:
            count, total = self.orders[order]
            self.orders[order] = [count + 1, total + score.score]
        if other is not None and other.score is not None:
            self._compare(score, score.score, other.score)

    def _compare(self, score: LevelScore, one: float, other: float) -> None:
        x, y = (one, other) if score.mass is not None else (other, one)
        added = (1, x, y, x * x, y * y, x * y)
        self.moments = [total + value for total, value in zip(self.moments, added, strict=True)]

    def figures(self, name: str) -> LevelFigures:
        asked, mass = self.masses
        some = self.distributed > 0
        return LevelFigures(
            level=name,
            scored=self.bins.total(),
            distinct=len(self.bins),
            mass=mass / asked if asked else None,
            entropy=self.entropy / self.distributed if some else None,
            distribution=tuple(p / self.distributed for p in self.probabilities) if some else (),
            orders=tuple(
                OrderMean(order, int(count), total / count)
                for order, (count, total) in sorted(self.orders.items())
            ),
            agreement=_agreement(self.moments) if self.moments[0] else None,
        )


def _agreement(moments: Sequence[float]) -> Agreement:
    n, x, y, xx, yy, xy = moments
    spread = (n * xx - x * x) * (n * yy - y * y)
    correlation = None
    if spread > _NO_SPREAD * n**4:
        correlation = min(max((n * xy - x * y) / math.sqrt(spread), -1.0), 1.0)
    return Agreement(int(n), (x - y) / n, correlation)


_NO_SPREAD = 1e-12
"""A product of variances below this value is a rounding error of 0."""
