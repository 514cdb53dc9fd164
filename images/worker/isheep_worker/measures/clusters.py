"""k-means over vectors in a file (Table 3), by scikit-learn, in bounded memory.

Vectors of 100,000 pairs do not fit a small machine's memory in the precision that
k-means computes in, so they are read from the file batch by batch and `MiniBatchKMeans`
is given one after the other, several times over. The centres after so many passes
are a function of the file, the seed and the library's version; its sums are cut by
threads, so a run on another number of them may put a pair on the border elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from isheep_worker.measures.vectors import DTYPE
from isheep_worker.runtime.lean_imports import show_scikit_learn

PASSES = 10
_SMALLEST_BATCH = 1024
_VECTORS_A_CENTRE = 3
"""Vectors of the first batch for each centre that is drawn among them: scikit-learn's own."""


def clusters_of(
    path: Path, count: int, clusters: int, seed: int, check: Callable[[], None]
) -> list[int]:
    """Return the number of each vector's cluster, below `clusters`; some may have none.

    The file holds `count` vectors of one width, as `vectors` encodes them. Where there
    are no more vectors than clusters, each is a cluster of its own. `seed` has 32 bits;
    `check` is called between batches and may raise.
    """
    if count <= clusters:
        return list(range(count))
    show_scikit_learn()
    from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415 (heavy)

    batch = max(_SMALLEST_BATCH, _VECTORS_A_CENTRE * clusters)
    means = MiniBatchKMeans(
        clusters,
        batch_size=batch,
        init_size=batch,
        random_state=seed,
        n_init=1,
        compute_labels=False,
    )
    draw = np.random.default_rng(seed)
    for _ in range(PASSES):
        for indices in _batches(draw.permutation(count), batch):
            check()
            means.partial_fit(_vectors(path, count, indices))
    labels: list[int] = []
    for indices in _batches(np.arange(count), batch):
        check()
        labels += means.predict(_vectors(path, count, indices)).tolist()
    return labels


def _batches(indices: Any, most: int) -> Iterator[Any]:
    """Yield the indices in batches of about one size, so that none is too small to begin with."""
    yield from np.array_split(indices, -(-len(indices) // most))


def _vectors(path: Path, count: int, indices: Any) -> Any:
    """Return these of the file's vectors, float32. The file is mapped no longer than that."""
    return np.memmap(path, DTYPE, "r").reshape(count, -1)[indices].astype(np.float32)
