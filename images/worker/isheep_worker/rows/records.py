"""Records that users write, read with messages that help to fix them.

Each message begins with `where`, which names file and line, and ends with the remedy.
"""

from __future__ import annotations

import json
from typing import Any

from isheep.contract.invisible_characters import without_invisible

NO_INPUT = "<noinput>"
"""The mark of an absent input, in the files of Self-Instruct and I-SHEEP and in prompts."""
CONVERSATIONS = ("messages", "conversations", "conversation")
"""The names of columns with a list of messages."""


class RecordError(ValueError):
    """A record cannot be used. The message names its place, the field and the remedy."""


def json_value(line: bytes, where: str) -> Any:
    """Return the JSON value of a line; raise `RecordError` if it is not JSON in UTF-8."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{where}: is not UTF-8 (byte {error.start + 1} of the line); save the file as UTF-8"
        ) from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        # RecursionError: the nesting is too deep. ValueError: for example a number of 5,000 digits.
        column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else error
        raise RecordError(
            f"{where}{column}: is not JSON ({reason}); write one complete JSON object a line, or "
            "the whole file as one JSON list"
        ) from error


def as_object(value: object, where: str) -> dict[str, Any]:
    """Return a value that is a JSON object; raise `RecordError` for another value."""
    if not isinstance(value, dict):
        raise RecordError(
            f"{where}: is {json_type(value)}, not an object; write each record as a JSON object"
        )
    return value


def text_field(
    record: dict[str, Any], field: str, where: str, *, prefix: str = "", required: bool = False
) -> str:
    """Return the text of a field without surrounding whitespace.

    Args:
        record: The object that has the field.
        field: The name of the field.
        where: The file and the line of the record, for messages.
        prefix: The path of the record inside its line, such as `instances[0].`.
        required: Whether the field must be present and must not be blank.

    Returns:
        The text, which is empty if an optional field is missing.

    Raises:
        RecordError: The value is not a string, is not valid Unicode, or a required field is missing
            or blank.
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
    if required and not without_invisible(value).strip():
        raise RecordError(
            f"{where}: field '{prefix}{field}' is blank; write the task, or remove the line"
        )
    return value.strip()


def json_type(value: object) -> str:
    """Return the JSON type of a value, with its article."""
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    # Parquet has types that JSON lacks, such as bytes and dates.
    return names.get(type(value), f"of type {type(value).__name__}")
