"""Expected scores of log-probabilities, and the check of a stage's mean mass."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.scoring.expected import LowLabelMassError, check_mass, expected_score
from isheep_worker.templates.labels import label_set

DIGITS = label_set("DigitsAfterSpace")


def logprobs(*probabilities: float) -> list[float]:
    """Return ten log-probabilities; probabilities that are not given are zero."""
    full = [*probabilities, *[0.0] * (10 - len(probabilities))]
    return [math.log(p) if p else -math.inf for p in full]


@pytest.mark.parametrize(
    ("probabilities", "score", "mass", "entropy"),
    [
        ([0.0] * 9 + [1.0], 10, 1, 0),  # an assessor that always says 10
        ([1.0], 1, 1, 0),
        ([0.1] * 10, 5.5, 1, math.log(10)),
        ([0.05] * 10, 5.5, 0.5, math.log(10)),
        ([0.3, 0.0, 0.3], 2, 0.6, math.log(2)),
        ([0.1], 1, 0.1, 0),
    ],
)
def test_the_score_is_the_mean_under_the_normalized_probabilities(
    probabilities, score, mass, entropy
):
    found = expected_score(logprobs(*probabilities))
    assert (found.score, found.reason) == (pytest.approx(score), None)
    assert (found.mass, found.entropy) == pytest.approx((mass, entropy))
    assert math.fsum(found.distribution or ()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "reason", "mass"),
    [
        (logprobs(0.05, 0.04), "unscorable-low-mass", pytest.approx(0.09)),
        (logprobs(), "unscorable-low-mass", 0),
        ([-2000.0] * 10, "unscorable-low-mass", 0),
        ([math.nan] * 10, "unscorable-not-a-number", None),
        ([*logprobs(0.9)[:9], math.nan], "unscorable-not-a-number", None),
    ],
)
def test_a_pair_with_a_low_mass_has_no_score(values, reason, mass):
    found = expected_score(values)
    assert (found.score, found.reason, found.mass) == (None, reason, mass)


@given(st.lists(st.floats(-60, 30), min_size=11, max_size=11))
def test_scores_and_masses_are_in_their_ranges_for_any_logits(logits):
    top = max(logits)
    total = top + math.log(math.fsum(math.exp(x - top) for x in logits))
    values = [x - total for x in logits[:10]]
    found = expected_score(values)
    assert found.mass is not None
    assert 0 <= found.mass <= 1
    if found.score is not None:
        assert 1 <= found.score <= 10
        assert found.entropy is not None
        assert 0 <= found.entropy <= math.log(10) + 1e-9
        better = expected_score([*values[:9], values[9] + 1])
        assert better.score is not None
        assert better.score >= found.score - 1e-9


def test_a_stage_fails_if_the_mean_mass_is_too_low():
    check_mass(None, DIGITS)
    check_mass(0.5, DIGITS)
    with pytest.raises(LowLabelMassError) as failed:
        check_mass(0.4999, DIGITS)
    assert "the labels 0 to 9 have 0.50 of" in str(failed.value)
    assert "scoring: Sampled" in str(failed.value)
