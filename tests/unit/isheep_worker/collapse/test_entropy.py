"""The mean surprisal is the entropy, and its standard error is that of a simulation."""

import numpy as np
import pytest
from scipy import stats

from isheep_worker.collapse.entropy import surprisals
from isheep_worker.collapse.interface import mean_figure


@pytest.mark.parametrize("names", [[1, 1, 1], [1, 2, 3, 4], [5, 5, 7, 9, 9, 9]])
def test_the_mean_is_the_entropy(names: list[int]) -> None:
    counts = np.unique(names, return_counts=True)[1]
    assert surprisals(names).mean() == pytest.approx(stats.entropy(counts))


def test_the_standard_error_is_the_spread_of_repeated_draws() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.25, 0.15, 0.1])
    figures = [mean_figure(surprisals(rng.choice(4, 400, p=shares))) for _ in range(400)]
    spread = np.std([figure.value for figure in figures])
    assert np.mean([figure.standard_error for figure in figures]) == pytest.approx(spread, rel=0.12)
