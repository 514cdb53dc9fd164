"""The question before a command deletes something, or gives up values of a run."""

from __future__ import annotations

import sys

import typer

from isheep.cli.terminal.errors import BadInputError


def confirmed(question: str, what: str) -> bool:
    """Return whether the user answers yes at the terminal; the end of the input means no.

    Raises:
        BadInputError: There is no terminal. The message begins with `what`, the command's words.
    """
    if not sys.stdin.isatty():
        raise BadInputError(f"{what}: there is no terminal to ask; add --yes")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        typer.echo()  # The line of the question has no end.
        return False
    return answer.strip().lower() in ("y", "yes")
