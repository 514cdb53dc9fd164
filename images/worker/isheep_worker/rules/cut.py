"""A response that ended by length: it stops in the middle of a sentence.

The rule is ours. A training on such a response with the end of its turn teaches the model to stop
in the middle of a sentence. With `responses.cut: Keep` the rule does not apply, and the training
leaves out the end of the turn of such a response.
"""

from __future__ import annotations

from isheep_worker.rules.interface import Example, Pair, Rule

LENGTH = "length"
"""The finish reason of a completion that reached its maximum number of tokens."""


def _check(row: Pair) -> str | None:
    return "ended by length" if row.finish_reason == LENGTH else None


CUT: Rule[Pair] = Rule(
    "cut",
    _check,
    drops="The response ended by length (`responses.sampling.maxTokens`), so it is incomplete. "
    "The rule does not apply with `responses.cut: Keep`.",
    example=Example("List three birds.", response="1. A wren, which is", finish_reason=LENGTH),
)
