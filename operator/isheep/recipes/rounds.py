"""How many completions a round of generation asks for.

Nobody knows beforehand how many completions make `count` accepted instructions.
Round 1 asks for an eighth of the count (a completion holds several tasks, few of
which pass); each later round asks for what is missing at the yield so far, a
tenth more, and never for more than four times round 1, so that one bad round
cannot order a flood. The floor of the yield keeps a hopeless run from the same;
whether it is hopeless is `projected_rounds`' to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

FIRST_SHARE = 8
"""Round 1 asks for one completion for so many instructions."""
SURPLUS = Fraction(11, 10)
MIN_YIELD = Fraction(1, 5)
MAX_ROUND_FACTOR = 4
ROUNDS_BEFORE_VERDICT = 3
"""So many rounds are allowed before the keep rate is judged."""


@dataclass(frozen=True, slots=True)
class Round:
    """A finished round: its completions, and the accepted of all rounds up to it."""

    completions: int
    accepted: int


def first_round(count: int) -> int:
    """Return the completions of round 1 for `count` instructions."""
    return _ceil(Fraction(count, FIRST_SHARE))


def next_round(count: int, rounds: Sequence[Round]) -> int | None:
    """Return the completions of the next round, or None when `count` are accepted."""
    if not rounds:
        return first_round(count)
    missing = count - rounds[-1].accepted
    if missing <= 0:
        return None
    wanted = _ceil(SURPLUS * missing / max(_yield(rounds), MIN_YIELD))
    return min(wanted, MAX_ROUND_FACTOR * first_round(count))


def projected_rounds(count: int, rounds: Sequence[Round]) -> float:
    """Return how many rounds the run will have had in all at the yield so far; may be inf."""
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
