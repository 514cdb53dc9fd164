"""Which model of an endpoint gave the answers of a stage: counts by date, model and fingerprint.

The counts are statistics of each part, so they survive a worker that is killed, and the manifest of
the stage has their sums. Statistics are metadata of an object in the store, which has little room,
so a server that returns another name with each answer gets few of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from isheep_worker.engines.interface import Completion

SERVED = "served:"
"""The beginning of the names of these statistics; the rest is `Completion.served_by`."""
MAX_NAMES = 3
"""The largest number of names in the statistics of a part."""
OTHERS = "others"


def served_statistics(completions: Iterable[Completion]) -> dict[str, float]:
    """Return the number of answers by date, model and fingerprint; nothing without an endpoint.

    The names beyond the most frequent ones are counted together.
    """
    counts = Counter(one.served_by for one in completions if one.served_by)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    found = {SERVED + name: float(count) for name, count in ordered[:MAX_NAMES]}
    rest = sum(count for _, count in ordered[MAX_NAMES:])
    return {**found, **({SERVED + OTHERS: float(rest)} if rest else {})}
