"""The values that a field allows, as a phrase for error messages and for the reference.

A pattern is in backticks. In a message they show where the pattern ends, and in the reference they
keep its brackets from becoming links.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
_LARGEST_EXACT = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly."""


def describe(schema: Schema) -> str:
    """Return the values that a node of the structural schema allows, as a phrase."""
    if "enum" in schema:
        return _choices([str(choice) for choice in schema["enum"]])
    if schema.get("x-kubernetes-int-or-string"):
        return "a quantity such as 500m, 4 or 16Gi"
    return _BY_TYPE[schema.get("type", "object")](schema)


def _object(schema: Schema) -> str:
    if "properties" in schema:
        return f"an object with {', '.join(schema['properties'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"a map from text to {describe(schema['additionalProperties'])}"
    return "an object"


def _array(schema: Schema) -> str:
    items = describe(schema["items"])
    if "maxItems" not in schema:
        return f"a list, each item {items}"
    low, high = schema.get("minItems", 0), schema["maxItems"]
    size = f"{low} to {high}" if low else f"at most {high}"
    return f"a list of {size}, each item {items}"


def _choices(choices: list[str]) -> str:
    if len(choices) == 1:
        return f"only {choices[0]}"
    return f"one of {', '.join(choices)}"


def _number(noun: str, schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{noun} from {_digits(low)} to {_digits(high)}"
    if low is not None:
        return f"{noun}, {_digits(low)} or more"
    return noun


def _digits(bound: float) -> str:
    if bound == _LARGEST_EXACT:
        return "2^53 - 1"
    return f"{int(bound):,}" if float(bound).is_integer() else str(bound)


def _text(schema: Schema) -> str:
    if schema.get("format") == "date-time":
        return "a time such as 2026-01-31T12:00:00Z"
    phrase = "text"
    if "maxLength" in schema:
        phrase += f" of at most {schema['maxLength']:,} characters"
    if "pattern" in schema:
        phrase += f" that matches `{schema['pattern']}`"
    return phrase


_BY_TYPE: dict[str, Callable[[Schema], str]] = {
    "integer": lambda schema: _number("a whole number", schema),
    "number": lambda schema: _number("a number", schema),
    "boolean": lambda _: "true or false",
    "string": _text,
    "array": _array,
    "object": _object,
}
