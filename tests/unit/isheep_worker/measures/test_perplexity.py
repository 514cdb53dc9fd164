"""Comparisons of losses give the same results as comparisons of perplexities."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.measures.perplexity import BOUNDS, bin_of, is_below, perplexity

LOSSES = st.floats(0, 1e6)


@given(LOSSES, st.floats(1, 1e6))
def test_a_loss_is_below_a_limit_if_its_perplexity_is(loss: float, limit: float) -> None:
    found = perplexity(loss)
    if not math.isclose(found, limit, rel_tol=1e-9):
        assert is_below(loss, limit) == (found < limit)


@pytest.mark.parametrize("loss", [710.0, 1e6, float("inf")])
def test_a_very_large_loss_has_a_finite_perplexity(loss: float) -> None:
    assert perplexity(loss) == pytest.approx(1e300)
    assert not is_below(loss, 1e6)
    assert bin_of(loss) == len(BOUNDS)


def test_a_loss_that_is_nan_is_not_below_a_limit() -> None:
    assert not is_below(float("nan"), 50)


@pytest.mark.parametrize(
    ("value", "number"), [(1, 0), (1.99, 0), (2.01, 1), (19.9, 3), (999, 8), (1001, 9)]
)
def test_a_bin_has_its_lower_bound_but_not_its_upper_one(value: float, number: int) -> None:
    assert bin_of(math.log(value)) == number


@given(LOSSES, LOSSES)
def test_a_higher_loss_is_never_in_a_lower_bin(one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert 0 <= bin_of(low) <= bin_of(high) <= len(BOUNDS)
