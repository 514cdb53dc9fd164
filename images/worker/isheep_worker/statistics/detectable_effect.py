"""The smallest difference of two shares that a number of paired items can detect.

The source is Connor (1987), "Sample size for testing differences in proportions for the paired-
sample design", Biometrics 43, solved for the difference. The result depends on the discordance: the
share of items that exactly one of two models solves. It must be assumed before a run, so it is a
parameter and is shown with the result.

This module needs no library, so that a plan of a run stays fast.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from isheep_worker.statistics.interface import CONFIDENCE, check_confidence

DISCORDANCE = 0.2
"""The discordance that is assumed if no measured value exists."""
POWER = 0.8
"""The probability with which the difference is detected."""


def detectable_share_difference(
    items: int,
    *,
    discordance: float = DISCORDANCE,
    power: float = POWER,
    confidence: float = CONFIDENCE,
) -> float | None:
    """Return the minimum detectable difference of two shares.

    Args:
        items: The number of independent items (clusters), at least 1.
        discordance: The assumed share of items that exactly one model solves, above 0, at most 1.
        power: The probability of a detection, between 0.5 and 1.
        confidence: 1 minus the level of the two-sided test.

    Returns:
        The difference, between 0 and `discordance`. None if the items cannot detect even a
        difference as large as the discordance.

    Raises:
        ValueError: A parameter is outside its range.
    """
    check_confidence(confidence)
    if items < 1 or not 0 < discordance <= 1 or not 0.5 <= power < 1:
        raise ValueError(
            f"items={items}, discordance={discordance}, power={power}: items must be at least 1, "
            "discordance above 0 and at most 1, power at least 0.5 and below 1"
        )
    a = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(discordance)
    b = NormalDist().inv_cdf(power)
    # Connor: Δ·√n = a + b·√(ψ - Δ²), which is a quadratic equation of Δ.
    leading = items + b * b
    root = a * a * items - leading * (a * a - b * b * discordance)
    if root < 0:
        return None
    difference = (a * math.sqrt(items) + math.sqrt(root)) / leading
    return difference if difference <= discordance else None
