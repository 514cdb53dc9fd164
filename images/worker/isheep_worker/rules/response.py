"""Which rule drops a pair: what respond found while it made the response, else the first rule.

A response that could not be read out of what the model wrote (see
`templates/principles.py`) is empty, and no set of rules, `None` included, lets it pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.interface import Drop, Pair, Rule, first_drop


def pair_drop(rules: Iterable[Rule[Pair]], pair: PairRow) -> Drop | None:
    """Return why a pair is dropped before anything is said about its worth, or None."""
    if pair.rule is not None:
        return Drop(pair.rule, "the response could not be read")
    return first_drop(rules, pair)
