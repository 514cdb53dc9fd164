"""k-means clusters of vectors in a file, by scikit-learn in bounded memory (Table 3, Density).

A small machine cannot hold the vectors of 100,000 pairs in the precision of k-means. Therefore
`MiniBatchKMeans` gets them from the file batch by batch, in `PASSES` passes over all vectors. The
resulting centres depend only on the file, the seed and the library's version. The library splits
its sums by thread, so with another number of threads a pair on a border may change its cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from isheep_worker.measures.vectors import DTYPE
from isheep_worker.runtime.lean_imports import show_scikit_learn

PASSES = 10
"""Passes over all vectors."""
_SMALLEST_BATCH = 1024
_VECTORS_A_CENTRE = 3
"""Vectors in the first batch for each initial centre: scikit-learn's default."""


def clusters_of(
    path: Path, count: int, clusters: int, seed: int, check: Callable[[], None]
) -> list[int]:
    """Return the cluster of each vector.

    If there are no more vectors than clusters, each vector is its own cluster.

    Args:
        path: A file with `count` vectors of equal width, in the format of `measures.vectors`.
        count: The number of vectors.
        clusters: The number of clusters (`selection.density.clusters`).
        seed: The seed of the centres and of the order of batches, 32 bits.
        check: A function that is called before each batch and that may raise to stop the work.

    Returns:
        For each vector the number of its cluster, in [0, clusters). A cluster may be empty.
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
    """Yield the indices in batches of nearly equal size, at most `most` each.

    Equal sizes matter because the first batch must have enough vectors for the initial centres.
    """
    yield from np.array_split(indices, -(-len(indices) // most))


def _vectors(path: Path, count: int, indices: Any) -> Any:
    """Return some of the file's vectors, float32 [indices, width]; map the file only meanwhile."""
    return np.memmap(path, DTYPE, "r").reshape(count, -1)[indices].astype(np.float32)
