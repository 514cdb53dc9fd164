"""k-means over a file: it separates distant groups, is reproducible, and handles equal vectors."""

from pathlib import Path

import numpy as np
import pytest

from isheep_worker.measures.clusters import clusters_of
from isheep_worker.measures.vectors import DTYPE


def no_stop() -> None:
    pass


def written(path: Path, vectors: np.ndarray) -> Path:
    path.write_bytes(vectors.astype(DTYPE).tobytes())
    return path


def blobs(count: int, centres: int, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Return points around distant centres in random order, and the centre of each point."""
    draw = np.random.default_rng(seed)
    owners = draw.integers(0, centres, count)
    return 20 * np.eye(centres, 16)[owners] + draw.normal(0, 0.1, (count, 16)), owners.tolist()


@pytest.mark.parametrize("count", [40, 3000])
def test_distant_groups_are_separate_clusters(count: int, tmp_path: Path) -> None:
    points, owners = blobs(count, 8)
    labels = clusters_of(written(tmp_path / "v", points), count, 8, 1, no_stop)
    assert len(labels) == count
    assert len(set(zip(owners, labels, strict=True))) == len(set(labels)) == 8


def test_the_same_file_and_seed_have_the_same_clusters(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(2500, 8))
    path = written(tmp_path / "v", points)
    labels = clusters_of(path, 2500, 50, 7, no_stop)
    assert clusters_of(path, 2500, 50, 7, no_stop) == labels
    assert clusters_of(path, 2500, 50, 8, no_stop) != labels
    assert len(set(labels)) > 40
    assert max(labels) < 50


@pytest.mark.parametrize(("count", "clusters"), [(0, 3), (1, 1), (5, 5), (5, 3000)])
def test_each_vector_is_its_own_cluster_if_there_are_no_more_vectors_than_clusters(
    count: int, clusters: int, tmp_path: Path
) -> None:
    path = written(tmp_path / "v", np.zeros((count, 4)))
    assert clusters_of(path, count, clusters, 0, no_stop) == list(range(count))


def test_equal_vectors_are_one_cluster(tmp_path: Path) -> None:
    path = written(tmp_path / "v", np.ones((500, 4)))
    labels = clusters_of(path, 500, 20, 0, no_stop)
    assert len(labels) == 500
    assert len(set(labels)) == 1


def test_a_stop_ends_the_clustering_between_batches(tmp_path: Path) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    path = written(tmp_path / "v", np.ones((5, 4)))
    with pytest.raises(KeyboardInterrupt):
        clusters_of(path, 5, 2, 0, stopped)
