"""The win rate at equal length of both answers, after Dubois et al. 2024 (length-controlled
AlpacaEval, arXiv 2404.04475).

Judges prefer long answers. A logistic regression explains the preference for M(t) by a term for the
model, by the difference of both lengths, and, if the user gives it, by the difficulty of the
question. The win rate at equal length is the mean prediction over the questions with a difference
of 0.

The difference is divided by its standard deviation, and its hyperbolic tangent is taken, so that a
single very long answer does not decide. The terms for length and difficulty have an L2 penalty of
one half of their square, beside the log-likelihood; that of the model has none that matters. The
interval is an expanded percentile interval of a bootstrap over questions that fits again in each
resample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isheep_worker.statistics.interface import (
    CONFIDENCE,
    MIN_CLUSTERS,
    Interval,
    check_confidence,
)
from isheep_worker.statistics.paired_bootstrap import expanded

PENALTY = 1.0
"""The weight of the square of a term for length or difficulty; half of it is added to the loss."""
_MODEL_PENALTY = 1e-3
"""Keeps the term of the model finite if M(t) wins every time."""
RESAMPLES = 1_999
_STEPS = 30
_NUMBERS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class LengthControlled:
    """The win rate at equal length, in 0 to 1; the interval is None below 30 questions.

    `length_effect` is the term for a length difference of one standard deviation, in logits: above
    0, the judge prefers the longer answer.
    """

    questions: int
    rate: float
    length_effect: float
    interval: Interval | None


def length_controlled(
    preferences: Any,
    differences: Any,
    rng: Any,
    *,
    difficulties: Any = None,
    confidence: float = CONFIDENCE,
) -> LengthControlled:
    """Return the win rate of M(t) at equal length of both answers.

    Args:
        preferences: How much the judge prefers M(t), between 0 and 1, a float array [questions].
        differences: The length of the answer of M(t) minus that of the other answer, in characters,
            a float array [questions].
        rng: A numpy Generator.
        difficulties: The difficulty of each question, a float array [questions], or None.
        confidence: The confidence of the interval.

    Raises:
        ValueError: There is no question, the lengths of the arrays differ, or a value is not
            finite.
    """
    check_confidence(confidence)
    columns = [np.asarray(preferences, float), np.asarray(differences, float)]
    if difficulties is not None:
        columns.append(np.asarray(difficulties, float))
    count = len(columns[0])
    if not count or any(one.shape != (count,) for one in columns):
        raise ValueError("a length control needs one value for each question in each array")
    if not np.isfinite(columns).all():
        raise ValueError("a value is not finite; leave out questions without a value")
    rates, effects = _fitted(columns, np.ones((1, count)))
    interval = None
    if count >= MIN_CLUSTERS:
        interval = _interval(columns, rng, confidence)
    return LengthControlled(count, float(rates[0]), float(effects[0]), interval)


def _interval(columns: list[Any], rng: Any, confidence: float) -> Interval:
    count = len(columns[0])
    at_once = max(1, _NUMBERS_AT_ONCE // count)

    def drawn(resamples: int) -> Any:
        return rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(float)

    # The weights of all resamples of 100,000 questions would need 3 GiB.
    rates = np.concatenate(
        [
            _fitted(columns, drawn(min(at_once, RESAMPLES - start)))[0]
            for start in range(0, RESAMPLES, at_once)
        ]
    )
    tail = (1 - expanded(confidence, count)) / 2
    low, high = (float(np.quantile(rates, share)) for share in (tail, 1 - tail))
    return Interval(low, high)


def _fitted(columns: list[Any], weights: Any) -> tuple[Any, Any]:
    """Return the rates at equal length, and the terms for length, for each row of weights.

    `weights` is a float array [resamples, questions]; each row is fitted alone.
    """
    preferences, differences, *others = columns
    share = weights / weights.sum(axis=1, keepdims=True)
    length = np.tanh(_divided(differences, share, centred=False))
    terms = [np.ones_like(length), length]
    terms += [_divided(one, share, centred=True) for one in others]
    design = np.stack(terms, axis=2)
    coefficients = _newton(design, preferences, weights)
    design[:, :, 1] = 0.0
    predicted = _sigmoid(np.einsum("bnk,bk->bn", design, coefficients))
    return (share * predicted).sum(axis=1), coefficients[:, 1]


def _divided(values: Any, share: Any, *, centred: bool) -> Any:
    """Return values by their standard deviation in each resample; 0 if they do not vary there."""
    mean = share @ values
    deviations = values - mean[:, None]
    spread = np.sqrt((share * deviations**2).sum(axis=1))
    varies = spread > 1e-12
    numerator = deviations if centred else np.broadcast_to(values, deviations.shape)
    return np.where(varies[:, None], numerator, 0.0) / np.where(varies, spread, 1.0)[:, None]


def _newton(design: Any, preferences: Any, weights: Any) -> Any:
    """Return the coefficients of a penalised logistic regression for each row of weights.

    The penalised loss is strictly convex. A step is at most 1 in each coefficient, so that Newton's
    method does not leave the region where it converges.
    """
    terms = design.shape[2]
    penalty = np.diag([_MODEL_PENALTY] + [PENALTY] * (terms - 1))
    coefficients = np.zeros((len(weights), terms))
    for _ in range(_STEPS):
        predicted = _sigmoid(np.einsum("bnk,bk->bn", design, coefficients))
        residual = weights * (preferences - predicted)
        gradient = np.einsum("bnk,bn->bk", design, residual) - coefficients @ penalty
        curvature = weights * predicted * (1 - predicted)
        hessian = np.einsum("bnk,bn,bnl->bkl", design, curvature, design, optimize=True) + penalty
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        coefficients += np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    return coefficients


def _sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(values, -40, 40)))
