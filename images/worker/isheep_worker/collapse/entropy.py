"""The entropy of names, as a mean over items.

The plug-in entropy -Σ p·ln p is the mean of -ln p over the items. The standard error of this mean
is the one of the delta method (Basharin 1959). The plug-in entropy of few items is too small, so
entropies are compared for equal numbers of items only.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def surprisals(names: Any) -> Any:
    """Return -ln p of each item, in nats; p is the share of the items with the same name.

    Args:
        names: The names of the items as integers, an array [items].

    Returns:
        A float array [items], whose mean is the entropy.
    """
    _, places, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.log(len(places) / counts)[places]
