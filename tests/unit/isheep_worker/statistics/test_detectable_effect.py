"""The minimum detectable effect solves the published formula, and a test has the stated power."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from isheep_worker.statistics.detectable_effect import detectable_share_difference
from isheep_worker.statistics.mcnemar import mcnemar


def connor(difference: float, discordance: float, power: float) -> float:
    """Return the number of items of Connor (1987)."""
    a = NormalDist().inv_cdf(0.975) * math.sqrt(discordance)
    b = NormalDist().inv_cdf(power) * math.sqrt(discordance - difference**2)
    return (a + b) ** 2 / difference**2


@pytest.mark.parametrize("items", [50, 164, 541, 10_000])
@pytest.mark.parametrize("discordance", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_the_formula_gives_the_number_of_items(
    items: int, discordance: float, power: float
) -> None:
    found = detectable_share_difference(items, discordance=discordance, power=power)
    if connor(discordance, discordance, power) > items:
        assert found is None
        return
    assert found is not None
    assert 0 < found <= discordance
    assert connor(found, discordance, power) == pytest.approx(items)


def test_the_exact_test_has_nearly_the_power() -> None:
    found = detectable_share_difference(541)
    assert found == pytest.approx(0.0535, abs=5e-4)
    rng = np.random.default_rng(0)
    shares = [(0.2 + found) / 2, (0.2 - found) / 2, 0.8]
    counts = rng.multinomial(541, shares, size=300)
    detected = sum(mcnemar(int(gained), int(lost)) < 0.05 for gained, lost, _ in counts)
    # The exact test is conservative, so its power is slightly below 0.8.
    assert 0.68 <= detected / 300 <= 0.85


def test_too_few_items_detect_nothing() -> None:
    assert detectable_share_difference(8, discordance=0.1) is None


@pytest.mark.parametrize("change", [{"items": 0}, {"discordance": 0.0}, {"power": 0.2}])
def test_parameters_outside_their_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="items must be at least 1"):
        detectable_share_difference(**{"items": 50, **change})
