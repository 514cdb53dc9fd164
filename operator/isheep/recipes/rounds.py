"""The number of completions in each round of generation.

The number of completions that yield `count` accepted instructions is unknown beforehand. Round 1
has an eighth of `count`, because a completion contains several tasks, of which few are accepted.
Each later round has the number that yields the missing instructions at the yield so far, plus a
tenth, and at most four times the number of round 1, so that one bad round does not lead to a very
large one. A minimum of the yield limits the number for the same reason. `projected_rounds` is the
basis for the decision whether the run can reach its count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

INSTRUCTIONS_PER_COMPLETION = 8
"""The number of instructions in the count for each completion of round 1."""
SURPLUS = Fraction(11, 10)
MIN_YIELD = Fraction(1, 5)
MAX_ROUND_FACTOR = 4
ROUNDS_BEFORE_VERDICT = 3
"""The keep rate is judged after this many rounds."""


@dataclass(frozen=True, slots=True)
class Round:
    """A finished round: its completions, and the accepted items of all rounds up to it."""

    completions: int
    accepted: int


def first_round(count: int) -> int:
    """Return the number of completions in round 1.

    Args:
        count: The number of items to collect.
    """
    return _ceil(Fraction(count, INSTRUCTIONS_PER_COMPLETION))


def next_round(count: int, rounds: Sequence[Round]) -> int | None:
    """Return the number of completions in the next round.

    Args:
        count: The number of items to collect.
        rounds: The finished rounds, in their order.

    Returns:
        The number of completions, or None if `count` items are accepted.
    """
    if not rounds:
        return first_round(count)
    missing = count - rounds[-1].accepted
    if missing <= 0:
        return None
    wanted = _ceil(SURPLUS * missing / max(_yield(rounds), MIN_YIELD))
    return min(wanted, MAX_ROUND_FACTOR * first_round(count))


def projected_rounds(count: int, rounds: Sequence[Round]) -> float:
    """Return the number of rounds that the run needs in total at the yield so far.

    Args:
        count: The number of items to collect.
        rounds: The finished rounds, in their order; at least one.

    Returns:
        The number of rounds, the finished ones included. It is infinite if the yield is 0.
    """
    missing = count - rounds[-1].accepted
    if missing <= 0:
        return len(rounds)
    rate = _yield(rounds)
    if rate == 0:
        return float("inf")
    per_round = rate * MAX_ROUND_FACTOR * first_round(count)
    return len(rounds) + _ceil(missing / per_round)


def _yield(rounds: Sequence[Round]) -> Fraction:
    return Fraction(rounds[-1].accepted, sum(r.completions for r in rounds))


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)
