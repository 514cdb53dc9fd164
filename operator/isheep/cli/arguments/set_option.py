"""How the values of the option `--set` are read, by the commands that have it."""

from __future__ import annotations

from collections.abc import Iterable

from isheep.api.reading.set_values import SetValue, SetValueError, parse_set
from isheep.cli.terminal.errors import BadInputError


def set_values(given: Iterable[str] | None) -> tuple[SetValue, ...]:
    """Return the fields and values of `--set`; raises `BadInputError`."""
    try:
        return tuple(parse_set(text) for text in given or ())
    except SetValueError as error:
        raise BadInputError(str(error)) from error
