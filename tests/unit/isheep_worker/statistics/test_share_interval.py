"""The interval of one share."""

from __future__ import annotations

import pytest

from isheep_worker.statistics.share_interval import share_interval


def test_the_interval_is_that_of_wilson() -> None:
    found = share_interval(40, 50)
    assert found is not None
    # (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n) with z = 1.96
    assert (found.low, found.high) == (
        pytest.approx(0.6696, abs=1e-4),
        pytest.approx(0.8876, abs=1e-4),
    )


def test_an_interval_has_a_width_if_all_items_agree_and_few_items_have_none() -> None:
    found = share_interval(30, 30)
    assert found is not None
    assert found.low < 0.9
    assert found.high == pytest.approx(1)
    assert share_interval(29, 29) is None


def test_a_number_above_the_number_of_items_is_refused() -> None:
    with pytest.raises(ValueError, match="5 of 4"):
        share_interval(5, 4)
