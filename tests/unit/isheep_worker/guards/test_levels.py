"""The levels keep the probability of a false alarm of a whole run."""

import numpy as np
import pytest
from scipy.stats import norm

from isheep_worker.guards.levels import levels


def test_one_look_gets_its_share_of_the_probability() -> None:
    found = levels(rules=10, looks=5, false_alarms=0.02)
    assert found.far == pytest.approx(0.01 / 50)
    assert found.far < found.twice < 0.01


@pytest.mark.parametrize("false_alarms", [0.05, 0.3])
def test_two_looks_with_a_common_first_look_are_rarely_both_beyond_the_level(
    false_alarms: float,
) -> None:
    found = levels(rules=1, looks=1, false_alarms=false_alarms)
    draw = np.random.default_rng(0).standard_normal((400_000, 3))
    changes = (draw[:, 1:] - draw[:, :1]) / np.sqrt(2)
    both = (norm.sf(changes) < found.twice).all(axis=1).mean()
    assert both < found.far
    # The bound is not much too strict.
    assert both > found.far / 8


@pytest.mark.parametrize("change", [{"rules": 0}, {"looks": 0}, {"false_alarms": 1.0}])
def test_parameters_outside_their_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        levels(**{"rules": 1, "looks": 1, "false_alarms": 0.02, **change})  # type: ignore[arg-type]
