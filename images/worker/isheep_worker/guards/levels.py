"""The p-values below which a look counts, so that a whole run rarely has a false alarm.

All rules and all looks of a run share one probability of a false alarm (Bonferroni): half of it for
one look far beyond the limit, and half for two consecutive looks. Both looks of such a pair are
compared with the same first look, so the correlation of their differences is 1/2. Both are above a
quantile z only if their mean is, and the variance of this mean is 3/4. So the quantile of each look
is √(3/4) times the one of a single look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

FALSE_ALARMS = 0.02
"""The probability that a run without a collapse has an alarm, which the levels are made for."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The one-sided p-values below which a look counts: alone (`far`), or with the next one."""

    far: float
    twice: float


def levels(rules: int, looks: int, false_alarms: float = FALSE_ALARMS) -> Levels:
    """Return the levels of each rule at each look.

    Args:
        rules: The number of rules, at least 1.
        looks: The number of looks of the whole run, at least 1.
        false_alarms: The probability of a false alarm in a run, above 0 and below 1.

    Raises:
        ValueError: A parameter is outside its range.
    """
    if rules < 1 or looks < 1 or not 0 < false_alarms < 1:
        raise ValueError(
            f"rules={rules}, looks={looks}, false_alarms={false_alarms}: rules and looks must be "
            "at least 1, false_alarms above 0 and below 1"
        )
    far = false_alarms / 2 / (rules * looks)
    normal = NormalDist()
    return Levels(far, normal.cdf(math.sqrt(3 / 4) * normal.inv_cdf(far)))
