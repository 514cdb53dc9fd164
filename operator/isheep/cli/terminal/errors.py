"""The error of a command that cannot use its arguments or its input."""

from __future__ import annotations


class UnreachableError(RuntimeError):
    """A service that a command needs does not answer; the message names it and the remedy."""


class BadInputError(ValueError):
    """The user's input cannot be used; the message names the input and the remedy."""
