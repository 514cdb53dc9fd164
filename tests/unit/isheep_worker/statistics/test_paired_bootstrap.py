"""The bootstrap's interval of a mean over clusters."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isheep_worker.statistics.clusters import cluster_sums
from isheep_worker.statistics.paired_bootstrap import expanded, paired_bootstrap

REPOSITORY = Path(__file__).parents[4]


def test_the_interval_of_a_normal_mean_is_that_of_student() -> None:
    from scipy import stats

    values = np.random.default_rng(1).standard_normal(60)
    found = paired_bootstrap(
        cluster_sums(values, range(60)), np.random.default_rng(2), resamples=20_000
    )
    expected = stats.t.interval(0.95, 59, values.mean(), stats.sem(values))
    width = expected[1] - expected[0]
    assert found.low == pytest.approx(expected[0], abs=0.03 * width)
    assert found.high == pytest.approx(expected[1], abs=0.03 * width)


def test_copies_of_items_in_their_cluster_do_not_make_the_interval_narrower() -> None:
    values = np.random.default_rng(3).standard_normal(40)
    single = paired_bootstrap(cluster_sums(values, range(40)), np.random.default_rng(4))
    copied = paired_bootstrap(
        cluster_sums(np.repeat(values, 5), np.repeat(range(40), 5).tolist()),
        np.random.default_rng(4),
    )
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high))


def test_the_same_generator_gives_the_same_interval() -> None:
    items = cluster_sums(np.random.default_rng(5).standard_normal(40), range(40))
    first, second = (paired_bootstrap(items, np.random.default_rng(6)) for _ in range(2))
    assert first == second


def test_equal_differences_have_an_interval_without_width() -> None:
    found = paired_bootstrap(
        cluster_sums(np.full(6, 0.1), list("aabbbc")), np.random.default_rng(0)
    )
    assert found.low == found.high == pytest.approx(0.1)


def test_one_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="two clusters"):
        paired_bootstrap(cluster_sums(np.ones(3), list("aaa")), np.random.default_rng(0))


def test_the_expansion_disappears_with_many_clusters() -> None:
    assert expanded(0.95, 30) > expanded(0.95, 100) > 0.95
    assert expanded(0.95, 100_000) == pytest.approx(0.95, abs=1e-5)


def test_the_interval_covers_the_true_value_of_skewed_items() -> None:
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(200):
        items = cluster_sums(rng.exponential(1.0, 100), range(100))
        inside += 1.0 in paired_bootstrap(items, rng, resamples=499)
    # With a coverage of 95 %, a count outside these bounds has a probability below 0.001.
    assert 179 <= inside <= 199


@pytest.mark.long
def test_coverage_over_the_grid() -> None:
    program = REPOSITORY / "benchmarks" / "interval_coverage.py"
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
