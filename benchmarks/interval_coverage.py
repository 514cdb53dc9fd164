"""Measures how often the intervals of `isheep_worker.statistics` contain the true value.

    python benchmarks/interval_coverage.py

For each cell of a grid, the benchmark draws many sets of paired items with a known difference, and
counts the intervals that contain it. The grid has 50, 100 and 400 clusters, each with one item or
with 1 to 5 items that are correlated. Shares have a discordance between 0.05 and 0.4, with and
without a difference. Values have normal or skewed differences. The benchmark prints each cell and
the mean coverage for each number of clusters, with that of Kendall's tau for as many items, and
exits with 1 if one is not between 93 and 97 %. It also prints the plain percentile interval and
BCa, which were not chosen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Any, TypeAlias

import numpy as np

from isheep_worker.statistics.clusters import ClusterSums, cluster_sums
from isheep_worker.statistics.interface import Interval
from isheep_worker.statistics.paired_bootstrap import BootstrapMethod, paired_bootstrap
from isheep_worker.statistics.rank_correlation import rank_correlation
from isheep_worker.statistics.share_difference import share_difference

Method: TypeAlias = "Callable[[Cell, ClusterSums, Any], Interval]"
SETS, RESAMPLES = 500, 999
CLUSTERS = (50, 100, 400)
LEAST, MOST = 0.93, 0.97
CORRELATION = 0.4
"""The correlation of two items of one cluster."""
RHO = 0.7
"""The correlation of the two scores of an item before they are rounded."""


@dataclass(frozen=True)
class Cell:
    """One cell of the grid: how the differences of the items are drawn."""

    kind: str
    clusters: int
    grouped: bool
    difference: float
    discordance: float = 0.0

    def __str__(self) -> str:
        """Return the cell as one line."""
        items = "1-5 items" if self.grouped else "1 item"
        discordance = f", discordance {self.discordance}" if self.discordance else ""
        return (
            f"{self.kind:7} {self.clusters:4} clusters of {items:9}"
            f" difference {self.difference}{discordance}"
        )


def grid() -> Iterator[Cell]:
    """Yield all cells."""
    for clusters in CLUSTERS:
        for grouped in (False, True):
            for discordance, difference in (
                (0.05, 0.0),
                (0.1, 0.0),
                (0.2, 0.0),
                (0.2, 0.1),
                (0.4, 0.0),
                (0.4, 0.2),
            ):
                yield Cell("shares", clusters, grouped, difference, discordance)
            yield Cell("normal", clusters, grouped, 0.2)
            yield Cell("skewed", clusters, grouped, 0.2)


def drawn(cell: Cell, rng: Any) -> ClusterSums:
    """Return the differences of one set of items."""
    sizes = rng.integers(1, 6, cell.clusters) if cell.grouped else np.ones(cell.clusters, int)
    places: Any = np.repeat(np.arange(cell.clusters), sizes)
    common = rng.standard_normal(cell.clusters)[places]
    normal = CORRELATION**0.5 * common + (1 - CORRELATION) ** 0.5 * rng.standard_normal(len(places))
    if not cell.grouped:
        normal = rng.standard_normal(len(places))
    return cluster_sums(_differences(cell, normal), places.tolist())


def _differences(cell: Cell, normal: Any) -> Any:
    """Return differences with the mean of the cell from normal values."""
    if cell.kind == "normal":
        return cell.difference + normal
    if cell.kind == "skewed":
        # The mean of a lognormal value is the exponential of half its variance.
        return cell.difference + np.exp(0.75 * normal) - np.exp(0.75**2 / 2)
    gained = NormalDist().inv_cdf((cell.discordance + cell.difference) / 2)
    lost = -NormalDist().inv_cdf((cell.discordance - cell.difference) / 2)
    return np.where(normal < gained, 1.0, np.where(normal > lost, -1.0, 0.0))


def interval(cell: Cell, differences: ClusterSums, rng: Any) -> Interval:
    """Return the interval that `compare` uses for the cell."""
    if cell.kind == "shares" and not cell.grouped:
        sums = differences.sums
        return share_difference(int((sums > 0).sum()), int((sums < 0).sum()), len(sums))
    if cell.kind == "shares" and not differences.sums.any():
        return share_difference(0, 0, cell.clusters)
    return paired_bootstrap(differences, rng, resamples=RESAMPLES)


def _bootstrap(name: BootstrapMethod) -> Method:
    """Return the bootstrap with one kind of interval, as a method for each cell."""
    return lambda _, sums, rng: paired_bootstrap(sums, rng, method=name, resamples=RESAMPLES)


def coverage(
    cell: Cell,
    sets: int,
    seed: int,
    method: Method = interval,
) -> float:
    """Return the share of sets whose interval contains the true difference."""
    rng = np.random.default_rng(seed)
    return fmean(cell.difference in method(cell, drawn(cell, rng), rng) for _ in range(sets))


def tau_coverage(items: int, sets: int, seed: int) -> float:
    """Return the share of sets whose interval contains Kendall's tau of two lists of scores.

    The scores are whole numbers from 1 to 10, and many scores are equal. The true value is that of
    200,000 items.
    """
    rng = np.random.default_rng(seed)
    true = rank_correlation(*_scores(200_000, rng)).tau or 0.0
    inside = 0
    for _ in range(sets):
        found = rank_correlation(*_scores(items, rng)).interval
        inside += found is not None and true in found
    return inside / sets


def _scores(items: int, rng: Any) -> tuple[Any, Any]:
    first = rng.standard_normal(items)
    second = RHO * first + (1 - RHO**2) ** 0.5 * rng.standard_normal(items)
    return _rounded(first), _rounded(second)


def _rounded(values: Any) -> Any:
    return np.clip(np.rint(7 + 1.5 * values), 1, 10)


def main() -> int:
    """Measure all cells, print them, and return 1 if a mean is outside the goal."""
    others: tuple[BootstrapMethod, ...] = ("Percentile", "BCa")
    cells = list(grid())
    found: dict[Cell, float] = {}
    print(f"coverage of 95 % intervals, {SETS} sets a cell: used (percentile, BCa)")
    for seed, cell in enumerate(cells):
        found[cell] = coverage(cell, SETS, seed)
        rest = [coverage(cell, SETS, seed, _bootstrap(name)) for name in others]
        print(f"  {cell}: {found[cell]:.1%} ({rest[0]:.1%}, {rest[1]:.1%})", flush=True)
    missed = False
    for clusters in CLUSTERS:
        mean = fmean(value for cell, value in found.items() if cell.clusters == clusters)
        tau = tau_coverage(clusters, SETS, clusters)
        missed |= not (LEAST <= mean <= MOST and LEAST <= tau <= MOST)
        print(f"{clusters} clusters: mean {mean:.1%}; Kendall's tau: {tau:.1%}")
    print(f"goal: each between {LEAST:.0%} and {MOST:.0%}: {'MISSED' if missed else 'reached'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
