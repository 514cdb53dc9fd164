"""The randomization test of a mean difference of paired items, over clusters.

Without a difference between two models, the answers of a cluster are exchangeable, so the sum of
its differences has either sign with the same probability (Fisher's randomization test of paired
values; Edgington and Onghena, "Randomization Tests", 2007). The test draws signs for whole
clusters, and needs no assumption about the distribution of the values.
"""

from __future__ import annotations

from typing import Any

from isheep_worker.statistics.clusters import ClusterSums

DRAWS = 9_999
"""The number of draws of the signs; the smallest p-value is 2 / (DRAWS + 1)."""
_NUMBERS_AT_ONCE = 2_000_000


def sign_flip(differences: ClusterSums, rng: Any, *, draws: int = DRAWS) -> float:
    """Return the two-sided p-value of "the mean difference is 0".

    Args:
        differences: The differences, after minus before, by cluster.
        rng: A numpy Generator.
        draws: The number of draws. If there are fewer combinations of signs, all are used.

    Returns:
        The p-value.
    """
    sums = differences.sums
    if not sums.any():
        return 1.0
    from scipy.stats import permutation_test  # noqa: PLC0415 (heavy)

    # Every cluster keeps its size, so the sum decides as the mean does.
    found = permutation_test(
        (sums,),
        lambda drawn, axis: drawn.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=draws,
        batch=max(1, _NUMBERS_AT_ONCE // len(sums)),
        rng=rng,
    )
    return float(found.pvalue)
