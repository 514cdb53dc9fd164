"""Records that people wrote: one JSON object a line, read with messages that help to mend them.

Every message begins with `where`, which names file and line, and says what to do.
"""

from __future__ import annotations

import json
from typing import Any

NO_INPUT = "<noinput>"
"""What stands for an empty input in the method's own files."""


class RecordError(ValueError):
    """A record cannot be used; the message names its place, the field and the remedy."""


def json_object(line: bytes, where: str) -> dict[str, Any]:
    """Return the object of a line; raises `RecordError` where it is no UTF-8, JSON or object."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{where}: is not UTF-8 (byte {error.start + 1} of the line); save the file as UTF-8"
        ) from error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        # RecursionError: nested too deeply. Plain ValueError: a number of 5,000 digits.
        column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else error
        raise RecordError(
            f"{where}{column}: is not JSON ({reason}); write one complete "
            "JSON object a line (a JSON array becomes one with `jq -c '.[]'`)"
        ) from error
    if not isinstance(value, dict):
        raise RecordError(
            f"{where}: is {json_type(value)}, not an object; write one JSON object a line "
            "(a JSON array becomes one with `jq -c '.[]'`)"
        )
    return value


def text_field(
    record: dict[str, Any], field: str, where: str, *, prefix: str = "", required: bool = False
) -> str:
    """Return a text field, stripped; an absent one is empty unless it is required.

    `prefix` says where the record itself stands, such as `instances[0].`. Raises
    `RecordError` for what is no text, or none that can be written, and for a required
    one that is blank.
    """
    if required and field not in record:
        raise RecordError(f"{where}: field '{prefix}{field}' is missing; every record needs it")
    value = record.get(field, "")
    if not isinstance(value, str):
        raise RecordError(
            f"{where}: field '{prefix}{field}' is {json_type(value)}; write it as a text"
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecordError(
            f"{where}: field '{prefix}{field}' holds half of a surrogate pair "
            f"(character {error.start + 1}); remove it or write the whole character"
        ) from error
    if required and not value.strip():
        raise RecordError(
            f"{where}: field '{prefix}{field}' is blank; write the task, or remove the line"
        )
    return value.strip()


def json_type(value: object) -> str:
    """Return what a value is called in JSON, with its article."""
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "a boolean",
        type(None): "null",
    }
    return names.get(type(value), "a number")
