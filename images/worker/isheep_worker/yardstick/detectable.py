"""The smallest difference from M(0) that a benchmark can show, for the verdict document.

A comparison without a significant difference can mean that the models are equal, or that the items
are too few. This figure tells both apart. It holds for metrics whose values are 0 or 1 with
independent items, which McNemar's test compares. It depends on an assumed discordance, which is
shown with it. A discordance from the same results would add nothing to the p-value.
"""

from __future__ import annotations

from typing import Any

from isheep_worker.statistics.detectable_effect import (
    DISCORDANCE,
    POWER,
    detectable_share_difference,
)
from isheep_worker.statistics.interface import MIN_CLUSTERS
from isheep_worker.yardstick.benchmarks import BenchmarkSeries


def detectable(series: BenchmarkSeries) -> dict[str, Any] | None:
    """Return the minimum detectable difference with its assumptions, as JSON values.

    `difference` is None if the items cannot detect a difference as large as the discordance. The
    result is None for values that are not shares of independent items, and below 30 items, because
    then nothing is compared.
    """
    items = series.items()
    shares = all(by_item[item] in {0, 1} for by_item in series.values.values() for item in items)
    if series.clusters or not shares or len(items) < MIN_CLUSTERS:
        return None
    return {
        "items": len(items),
        "discordance": DISCORDANCE,
        "power": POWER,
        "difference": detectable_share_difference(len(items)),
    }
