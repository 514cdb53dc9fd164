"""Sums by cluster keep the mean over items."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.statistics.clusters import cluster_sums

ITEMS = st.lists(st.tuples(st.floats(-9, 9), st.sampled_from("abcd")), min_size=1, max_size=20)


@given(ITEMS)
def test_the_mean_is_that_of_the_items(items: list[tuple[float, str]]) -> None:
    values = np.array([value for value, _ in items])
    found = cluster_sums(values, [cluster for _, cluster in items])
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert len(found) == len({cluster for _, cluster in items})
    assert found.sizes.sum() == len(items)


def test_sums_are_in_the_order_of_the_first_items() -> None:
    found = cluster_sums(np.array([1.0, 2.0, 4.0]), ["b", "a", "b"])
    assert found.sums.tolist() == [5.0, 2.0]
    assert found.sizes.tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [([], [], "no items"), ([1.0], ["a", "b"], "one for each"), ([np.nan], ["a"], "not finite")],
)
def test_bad_items_are_refused(values: list[float], clusters: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_sums(np.array(values), clusters)
