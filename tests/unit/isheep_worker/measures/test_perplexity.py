"""Perplexities: comparisons between losses decide as comparisons between perplexities would."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.measures.perplexity import BOUNDS, bin_of, is_below, perplexity

LOSSES = st.floats(0, 1e6)


@given(LOSSES, st.floats(1, 1e6))
def test_a_loss_is_below_a_limit_as_its_perplexity_is(loss: float, limit: float) -> None:
    found = perplexity(loss)
    if not math.isclose(found, limit, rel_tol=1e-9):
        assert is_below(loss, limit) == (found < limit)


@pytest.mark.parametrize("loss", [710.0, 1e6, float("inf")])
def test_no_loss_is_too_large(loss: float) -> None:
    assert perplexity(loss) == pytest.approx(1e300)
    assert not is_below(loss, 1e6)
    assert bin_of(loss) == len(BOUNDS)


def test_nothing_is_below_a_limit_that_is_no_number() -> None:
    assert not is_below(float("nan"), 50)


@pytest.mark.parametrize(
    ("value", "number"), [(1, 0), (1.99, 0), (2.01, 1), (19.9, 3), (999, 8), (1001, 9)]
)
def test_bins(value: float, number: int) -> None:
    assert bin_of(math.log(value)) == number


@given(LOSSES, LOSSES)
def test_bins_are_in_the_order_of_losses(one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert 0 <= bin_of(low) <= bin_of(high) <= len(BOUNDS)
