"""The error of a command that cannot use its arguments or its input."""

from __future__ import annotations


class BadInputError(ValueError):
    """The user's input cannot be used; the message names the input and the remedy."""
