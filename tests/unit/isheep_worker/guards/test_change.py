"""The change of a figure has the p-values of scipy's tests."""

import numpy as np
import pytest
from scipy import stats

from isheep_worker.collapse.interface import NO_FIGURE, mean_figure
from isheep_worker.guards.change import figure_change

RNG = np.random.default_rng(0)
BEFORE = RNG.normal(3, 1, 60)
AFTER = BEFORE + RNG.normal(0.2, 1, 60)
IDS = [str(place) for place in range(60)]


def test_figures_of_the_same_items_are_paired() -> None:
    order = RNG.permutation(60)
    found = figure_change(
        mean_figure(BEFORE, IDS), mean_figure(AFTER[order], [IDS[place] for place in order])
    )
    assert found is not None
    expected = stats.ttest_rel(AFTER, BEFORE, alternative="greater").pvalue
    assert found.p_up == pytest.approx(expected)
    assert found.p_down == pytest.approx(1 - expected)
    assert (found.before, found.after) == pytest.approx((BEFORE.mean(), AFTER.mean()))


def test_only_common_items_are_compared() -> None:
    found = figure_change(mean_figure(BEFORE[:50], IDS[:50]), mean_figure(AFTER[10:], IDS[10:]))
    assert found is not None
    assert found.items == 40
    assert found.before == pytest.approx(BEFORE[10:50].mean())


def test_figures_of_other_items_are_compared_by_their_standard_errors() -> None:
    found = figure_change(mean_figure(BEFORE), mean_figure(AFTER))
    assert found is not None
    error = np.hypot(stats.sem(BEFORE), stats.sem(AFTER))
    assert found.p_up == pytest.approx(stats.t.sf((AFTER.mean() - BEFORE.mean()) / error, 59))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (mean_figure(BEFORE[:29]), mean_figure(AFTER)),
        (mean_figure(BEFORE[:29], IDS[:29]), mean_figure(AFTER, IDS)),
        (mean_figure(BEFORE, groups=np.arange(60) // 3), mean_figure(AFTER)),
        (mean_figure(BEFORE), NO_FIGURE),
    ],
)
def test_few_clusters_give_no_change(before, after) -> None:
    assert figure_change(before, after) is None


def test_items_that_all_change_alike_are_no_chance() -> None:
    found = figure_change(mean_figure(np.zeros(40), IDS[:40]), mean_figure(np.ones(40), IDS[:40]))
    assert found is not None
    assert (found.p_up, found.p_down) == (0.0, 1.0)
    same = figure_change(mean_figure(np.zeros(40)), mean_figure(np.zeros(40)))
    assert same is not None
    assert same.p_up == same.p_down == 0.5
