"""The interval of a figure of D(t): over clusters, within the range of shares, or none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from isheep_worker.collapse.interface import NO_FIGURE, Figure, mean_figure
from isheep_worker.yardstick.figure_interval import figure_interval


def test_the_interval_is_that_of_the_mean_over_clusters() -> None:
    values = np.random.default_rng(0).normal(5, 2, 40)
    found = figure_interval(mean_figure(values), "words")
    assert found is not None
    error = values.std(ddof=1) / np.sqrt(40)
    expected = t.interval(0.95, 39, loc=values.mean(), scale=error)
    assert (found.low, found.high) == pytest.approx(expected)


def test_rows_of_one_completion_are_one_cluster() -> None:
    values = np.repeat(np.random.default_rng(0).normal(5, 2, 40), 4)
    groups = np.repeat(np.arange(40), 4)
    alone = figure_interval(mean_figure(values), "words")
    together = figure_interval(mean_figure(values, groups=groups), "words")
    assert alone is not None
    assert together is not None
    assert together.high - together.low > 1.9 * (alone.high - alone.low)


def test_a_share_is_between_0_and_1() -> None:
    rare = mean_figure(np.array([1.0] + [0.0] * 59))
    found = figure_interval(rare, "share")
    assert found is not None
    assert found.low == 0.0
    assert 0.02 < found.high < 0.06
    often = figure_interval(mean_figure(np.array([0.0] + [1.0] * 59)), "share")
    assert often is not None
    assert often.high == 1.0


@pytest.mark.parametrize(
    "figure",
    [NO_FIGURE, mean_figure(np.arange(29.0)), mean_figure(np.ones(90)), Figure(0.4, 90, 90)],
    ids=["no value", "too few", "all equal", "no error"],
)
def test_there_is_no_interval_without_enough_information(figure: Figure) -> None:
    assert figure_interval(figure, "share") is None
