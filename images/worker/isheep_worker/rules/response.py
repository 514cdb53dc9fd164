"""The drop of a pair: the reason that respond found while it read the response, else a rule's.

If respond cannot read a response out of the model's text (see `templates/principles.py`), the
response is empty and the pair contains the reason. Such a pair is dropped with every set of rules,
`None` included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from isheep.contract.choices import Thinking
from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.interface import Drop, Pair, Rule, first_drop
from isheep_worker.text.thoughts import without_thoughts


def pair_drop(rules: Iterable[Rule[Pair]], pair: PairRow) -> Drop | None:
    """Return why a pair is dropped before it is scored or measured.

    Args:
        rules: The pair rules of the run's set, in order.
        pair: The pair that is checked.

    Returns:
        The name of the rule and the text that it found, or None if the pair passes.
    """
    if pair.rule is not None:
        return Drop(pair.rule, "the response could not be read")
    return first_drop(rules, pair)


def judged(pair: PairRow, thinking: Thinking | None) -> PairRow:
    """Return the pair that rules and assessors see: without the thoughts before its answer.

    Args:
        pair: The pair.
        thinking: What happens to thoughts in responses; None means Remove, and respond has removed
            them.
    """
    if thinking != "Keep":
        return pair
    return replace(pair, response=without_thoughts(pair.response))
