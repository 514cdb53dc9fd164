"""Phrases for the values that a field allows."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.generation.describe import describe


@pytest.mark.parametrize(
    ("schema", "phrase"),
    [
        ({"type": "string", "enum": ["A", "B"]}, "one of A, B"),
        ({"type": "string", "enum": ["A"]}, "only A"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "a whole number from 1 to 9"),
        ({"type": "integer", "minimum": 0}, "a whole number, 0 or more"),
        (
            {"type": "integer", "minimum": 128, "maximum": 1048576},
            "a whole number from 128 to 1,048,576",
        ),
        (
            {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
            "a whole number from 0 to 2^53 - 1",
        ),
        ({"type": "number", "minimum": 0.0, "maximum": 0.5}, "a number from 0 to 0.5"),
        ({"type": "number", "minimum": 0, "maximum": 0.99}, "a number from 0 to 0.99"),
        ({"type": "number"}, "a number"),
        ({"type": "boolean"}, "true or false"),
        ({"type": "string"}, "text"),
        (
            {"type": "string", "maxLength": 3, "pattern": "^a$"},
            "text of at most 3 characters that matches `^a$`",
        ),
        ({"type": "string", "format": "date-time"}, "a time such as 2026-01-31T12:00:00Z"),
        ({"x-kubernetes-int-or-string": True}, "a quantity such as 500m, 4 or 16Gi"),
        (
            {"type": "array", "maxItems": 2, "items": {"type": "string", "enum": ["A"]}},
            "a list of at most 2, each item only A",
        ),
        (
            {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "boolean"}},
            "a list of 1 to 2, each item true or false",
        ),
        ({"type": "array", "items": {"type": "string"}}, "a list, each item text"),
        ({"type": "object", "properties": {"a": {}, "b": {}}}, "an object with a, b"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            "a map from text to text",
        ),
        ({"type": "object"}, "an object"),
    ],
)
def test_a_schema_has_a_phrase(schema: dict[str, Any], phrase: str) -> None:
    assert describe(schema) == phrase
