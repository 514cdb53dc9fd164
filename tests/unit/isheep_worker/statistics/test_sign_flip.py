"""The randomization test, against all combinations of signs."""

from itertools import product

import numpy as np
import pytest

from isheep_worker.statistics.clusters import cluster_sums
from isheep_worker.statistics.sign_flip import sign_flip


def by_definition(sums: list[float]) -> float:
    """Return the p-value over all combinations of signs."""
    observed = abs(sum(sums))
    drawn = [
        abs(sum(sign * value for sign, value in zip(signs, sums, strict=True)))
        for signs in product((-1, 1), repeat=len(sums))
    ]
    return sum(value >= observed - 1e-9 for value in drawn) / len(drawn)


@pytest.mark.parametrize("values", [[1.0, 2.0, 4.0], [1.0, 1.0, 1.0, -1.0], [3.0, -3.0, 0.5, 2.0]])
def test_few_clusters_are_tested_exactly(values: list[float]) -> None:
    items = cluster_sums(np.array(values), range(len(values)))
    assert sign_flip(items, np.random.default_rng(0)) == pytest.approx(by_definition(values))


def test_the_signs_of_whole_clusters_are_drawn() -> None:
    single = cluster_sums(np.array([1.0, 2.0, 4.0]), range(3))
    grouped = cluster_sums(np.array([0.5, 0.5, 2.0, 1.0, 3.0]), list("aabcc"))
    rng = np.random.default_rng(0)
    assert sign_flip(grouped, rng) == sign_flip(single, rng)


def test_many_clusters_give_the_p_value_of_the_t_test() -> None:
    from scipy import stats

    values = np.random.default_rng(1).standard_normal(200) + 0.15
    found = sign_flip(cluster_sums(values, range(200)), np.random.default_rng(2))
    assert found == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)


def test_without_a_difference_p_is_1() -> None:
    assert sign_flip(cluster_sums(np.zeros(5), range(5)), np.random.default_rng(0)) == 1.0
