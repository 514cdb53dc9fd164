"""Two judgements of the same pair of answers, one in each order, and how often they contradict.

A judge that prefers the place of an answer and not its content prefers the same place in both
orders. Such a pair is an order reversal. It counts as one half in a win rate, as a tie does, but it
is counted apart, because many reversals mean that the judge cannot tell the answers apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WIN, TIE, LOSS = 1.0, 0.5, 0.0
"""What a judgement says about the answer of M(t)."""


@dataclass(frozen=True, slots=True)
class BothOrders:
    """What the judge said about M(t) on a question.

    `first` is the judgement with the answer of M(t) in the first place, and `second` that with this
    answer in the second place: 1 if it is better, 0.5 for a tie, and 0 if it is worse.
    """

    first: float
    second: float

    @property
    def preference(self) -> float:
        """The mean of both judgements."""
        return (self.first + self.second) / 2

    @property
    def reversed(self) -> bool:
        """Whether the judge preferred the same place in both orders."""
        return {self.first, self.second} == {WIN, LOSS}


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """The questions by result; the sum of the first four is the number of questions.

    A question with one tie and one win is a win. `decided` is the number of judgements that are not
    ties, and `first_place` is how many of them preferred the answer in the first place.
    """

    wins: int
    losses: int
    ties: int
    reversals: int
    decided: int
    first_place: int


def count_orders(found: Iterable[BothOrders]) -> OrderCounts:
    """Return the counts over the questions."""
    pairs = list(found)
    reversals = sum(one.reversed for one in pairs)
    even = sum(one.preference == TIE for one in pairs)
    firsts = [one.first == WIN for one in pairs if one.first != TIE]
    seconds = [one.second == LOSS for one in pairs if one.second != TIE]
    return OrderCounts(
        wins=sum(one.preference > TIE for one in pairs),
        losses=sum(one.preference < TIE for one in pairs),
        ties=even - reversals,
        reversals=reversals,
        decided=len(firsts) + len(seconds),
        first_place=sum(firsts) + sum(seconds),
    )
