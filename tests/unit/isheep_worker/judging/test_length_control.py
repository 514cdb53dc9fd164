"""The win rate at equal length: against another optimizer, on known truths, and its coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from isheep_worker.judging import length_control
from isheep_worker.judging.length_control import PENALTY, length_controlled


def drawn(
    rng: np.random.Generator, count: int, model: float, length: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return preferences and length differences of a judge with these terms, in logits."""
    differences = rng.normal(300, 400, count)
    logits = model + length * np.tanh(differences / 400)
    return (rng.random(count) < 1 / (1 + np.exp(-logits))).astype(float), differences


def test_the_fit_is_the_smallest_penalised_loss() -> None:
    rng = np.random.default_rng(0)
    preferences, differences = drawn(rng, 120, 0.3, 1.0)
    difficulties = rng.normal(size=120)
    z = np.tanh(differences / differences.std())
    d = (difficulties - difficulties.mean()) / difficulties.std()

    def loss(terms: np.ndarray) -> float:
        logits = terms[0] + terms[1] * z + terms[2] * d
        likelihood = preferences * logits - np.logaddexp(0, logits)
        return float(-likelihood.sum() + PENALTY / 2 * (terms[1:] ** 2).sum())

    wanted = minimize(loss, np.zeros(3), tol=1e-12).x
    found = length_controlled(
        preferences, differences, np.random.default_rng(1), difficulties=difficulties
    )
    assert found.length_effect == pytest.approx(wanted[1], abs=2e-3)
    expected = (1 / (1 + np.exp(-(wanted[0] + wanted[2] * d)))).mean()
    assert found.rate == pytest.approx(expected, abs=1e-3)


def test_a_judge_that_only_prefers_long_answers_gives_no_advantage_at_equal_length() -> None:
    rng = np.random.default_rng(0)
    preferences, differences = drawn(rng, 600, 0.0, 2.5)
    found = length_controlled(preferences, differences, rng)
    assert preferences.mean() > 0.6
    assert found.interval is not None
    assert 0.5 in found.interval
    assert found.length_effect > 1.5


def test_a_model_that_is_better_at_every_length_stays_better() -> None:
    rng = np.random.default_rng(3)
    preferences, differences = drawn(rng, 400, 1.5, 0.0)
    found = length_controlled(preferences, differences, rng)
    assert found.interval is not None
    assert found.interval.low > 0.7
    assert found.rate == pytest.approx(1 / (1 + np.exp(-1.5)), abs=0.05)


@pytest.mark.parametrize("preference", [0.0, 0.5, 1.0])
def test_equal_preferences_and_equal_lengths_have_a_finite_result(preference: float) -> None:
    rng = np.random.default_rng(4)
    found = length_controlled(np.full(40, preference), np.zeros(40), rng)
    assert found.rate == pytest.approx(preference, abs=0.01)
    assert found.interval is not None
    assert found.interval.high - found.interval.low < 0.02
    assert found.length_effect == 0.0


def test_the_interval_does_not_depend_on_the_resamples_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    preferences, differences = drawn(np.random.default_rng(5), 60, 0.5, 1.0)
    whole = length_controlled(preferences, differences, np.random.default_rng(6)).interval
    monkeypatch.setattr(length_control, "_NUMBERS_AT_ONCE", 60 * 7)
    parts = length_controlled(preferences, differences, np.random.default_rng(6)).interval
    assert whole is not None
    assert parts is not None
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), rel=1e-9)


def test_few_questions_have_no_interval_and_bad_values_are_refused() -> None:
    rng = np.random.default_rng(5)
    assert length_controlled([1.0] * 29, list(range(29)), rng).interval is None
    with pytest.raises(ValueError, match="finite"):
        length_controlled([1.0, float("nan")], [0.0, 1.0], rng)
    with pytest.raises(ValueError, match="one value for each question"):
        length_controlled([1.0, 0.0], [0.0], rng)


@pytest.mark.long
def test_the_interval_covers_the_true_rate_as_often_as_it_claims() -> None:
    """The truth is the rate at equal length without a penalty, so the penalty may not bias it."""
    rng = np.random.default_rng(6)
    truth = 1 / (1 + np.exp(-0.4))
    covered = 0
    for _ in range(200):
        preferences, differences = drawn(rng, 120, 0.4, 1.0)
        interval = length_controlled(preferences, differences, rng).interval
        covered += interval is not None and truth in interval
    assert 180 <= covered <= 198
