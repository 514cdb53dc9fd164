"""The problems of a document as text: one for each field, without pydantic's own decoration.

pydantic's text of an error has many lines, quotes the values and ends with an address of its
documentation. No message of isheep contains it.
"""

from __future__ import annotations

from pydantic import ValidationError

_PREFIXES = ("Value error, ", "Assertion failed, ")


def invalid_fields(error: ValidationError) -> list[str]:
    """Return `field: problem` for each invalid field; a problem of the whole has no field."""
    return [
        f"{where}: {text}" if (where := ".".join(map(str, problem["loc"]))) else text
        for problem in error.errors(include_url=False, include_input=False)
        for text in (_text(problem["msg"]),)
    ]


def _text(message: str) -> str:
    for prefix in _PREFIXES:
        message = message.removeprefix(prefix)
    return message.replace("\n", " ")
