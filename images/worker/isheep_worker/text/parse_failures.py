"""The names of the failures that parsers count.

Parsers count what they cannot read, by kind, so that the report shows when a model does not
understand a prompt. A failure counts as a drop under the name that is here, like a rule.
"""

from __future__ import annotations

from enum import StrEnum


class ParseFailure(StrEnum):
    """A kind of failure; `docs/reference/rules.md` explains each."""

    CUT = "parse-cut"
    EMPTY_INSTRUCTION = "parse-empty-instruction"
    BROKEN_NUMBERING = "parse-broken-numbering"
    REPEATED_INPUT = "parse-repeated-input"
    MISSING_OUTPUT = "parse-missing-output"
    UNLABELLED = "parse-unlabelled"
    SURPLUS = "parse-surplus"
    TOO_LONG = "parse-too-long"
