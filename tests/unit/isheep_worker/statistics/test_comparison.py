"""The front door chooses the method that fits the values, and concludes nothing from few items."""

import numpy as np
import pytest

from isheep_worker.statistics.comparison import compare
from isheep_worker.statistics.mcnemar import mcnemar
from isheep_worker.statistics.share_difference import share_difference


def shares(both: int, gained: int, lost: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of items with these counts before and after."""
    before = np.repeat([1.0, 0.0, 1.0, 0.0], [both, gained, lost, neither])
    after = np.repeat([1.0, 1.0, 0.0, 0.0], [both, gained, lost, neither])
    return before, after


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_shares_of_single_items_get_tangos_interval_and_the_exact_test() -> None:
    found = compare(*shares(40, 30, 5, 25), None, rng())
    assert (found.items, found.clusters) == (100, 100)
    assert (found.before, found.after) == (0.45, 0.7)
    assert found.difference == pytest.approx(0.25)
    assert found.interval == share_difference(30, 5, 100)
    assert found.p == mcnemar(30, 5)
    assert (found.change, found.verdict) == ("Higher", "significantly higher")


def test_an_interval_and_a_test_that_disagree_give_no_verdict() -> None:
    found = compare(*shares(50, 7, 1, 42), None, rng())
    assert found.interval is not None
    assert found.interval.low > 0
    assert found.p == pytest.approx(0.0703, abs=5e-5)
    assert found.change == "NotSignificant"


def test_items_of_one_cluster_count_once() -> None:
    before, after = (np.repeat(values, 5) for values in shares(10, 9, 2, 19))
    clusters = np.repeat(range(40), 5).tolist()
    grouped = compare(before, after, clusters, rng())
    single = compare(before, after, None, rng())
    assert grouped.difference == pytest.approx(single.difference)
    assert single.change == "Higher"
    assert grouped.change == "NotSignificant"
    assert grouped.clusters == 40
    assert grouped.interval is not None
    assert single.interval is not None
    assert grouped.interval.high - grouped.interval.low > 2 * (
        single.interval.high - single.interval.low
    )


def test_clusters_that_all_agree_have_an_interval_with_a_width() -> None:
    before = np.tile([0.0, 1.0], 40)
    found = compare(before, before, np.repeat(range(40), 2).tolist(), rng())
    assert found.interval == share_difference(0, 0, 40)
    assert found.change == "NotSignificant"


@pytest.mark.parametrize(
    ("shift", "change"), [(0.5, "Higher"), (-0.5, "Lower"), (0.01, "NotSignificant")]
)
def test_losses_are_compared_by_the_bootstrap(shift: float, change: str) -> None:
    draw = np.random.default_rng(1)
    before = draw.standard_normal(60) + 3
    found = compare(before, before + shift + 0.3 * draw.standard_normal(60), None, rng())
    assert found.change == change
    assert found.interval is not None
    assert found.difference in found.interval


@pytest.mark.parametrize(
    ("items", "clusters", "verdict"),
    [
        (8, None, "too few items (8)"),
        (29, None, "too few items (29)"),
        (40, [place // 5 for place in range(40)], "too few items (40 in 8 clusters)"),
    ],
)
def test_few_clusters_give_neither_an_interval_nor_a_verdict(
    items: int, clusters: list[int] | None, verdict: str
) -> None:
    found = compare(np.zeros(items), np.ones(items), clusters, rng())
    assert (found.interval, found.p) == (None, None)
    assert (found.change, found.verdict) == ("TooFewItems", verdict)
    assert found.difference == 1.0


def test_thirty_clusters_are_enough() -> None:
    assert compare(np.zeros(30), np.ones(30), None, rng()).change == "Higher"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [([], [], "no items"), ([1.0], [1.0, 2.0], "shapes"), ([[1.0]], [[1.0]], "items")],
)
def test_bad_values_are_refused(before: list, after: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(before, after, None, rng())
