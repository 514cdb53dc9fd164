"""Holm's correction of the p-values of several tests.

The source is Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian
Journal of Statistics 6. The correction keeps the probability of any wrong rejection below the level
of the test, for any dependence between the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

KeyT = TypeVar("KeyT")


def holm(p_values: Mapping[KeyT, float]) -> dict[KeyT, float]:
    """Return the corrected p-values.

    Args:
        p_values: The p-value of each test, by a name; a value between 0 and 1.

    Returns:
        The corrected values under the same names, in the same order.
    """
    if not p_values:
        return {}
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415 (heavy)

    corrected = multipletests(list(p_values.values()), method="holm")[1]
    return {name: float(value) for name, value in zip(p_values, corrected, strict=True)}
