"""The exact test of McNemar for two shares of paired items.

The source is McNemar (1947), "Note on the sampling error of the difference between correlated
proportions or percentages", Psychometrika 12, with the exact binomial distribution. Without a
difference between two models, an item that only one of them solves is solved by either of them with
probability 1/2. The items must be independent.
"""

from __future__ import annotations


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p-value of "both shares are equal".

    Args:
        gained: The number of items that only the later answer solves.
        lost: The number of items that only the earlier answer solves.

    Returns:
        The p-value; 1 if all items agree.
    """
    if gained + lost == 0:
        return 1.0
    from scipy.stats import binomtest  # noqa: PLC0415 (heavy)

    return float(binomtest(gained, gained + lost).pvalue)
