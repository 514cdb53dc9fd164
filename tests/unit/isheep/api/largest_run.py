"""The largest spec that the schema allows, for tests of its size.

It is built from the CRD, so a new field of `compute` is in it. A text without a pattern consists of
`<`, which an API server stores as 6 bytes. Of the fields of which only one may be set, it has the
longer one.
"""

from __future__ import annotations

from typing import Any

from isheep.api.base import KEY_CHARACTERS
from isheep.api.generation.crd import openapi_schema

LONGEST = "<"
ABSENT = ("valueFrom", "tolerationSeconds")
"""Fields that exclude another field with a longer value."""


def largest_spec(**changes: Any) -> dict[str, Any]:
    """Return the largest spec, with other values for some of its fields."""
    schema = openapi_schema()["properties"]["spec"]["properties"]
    decontamination = schema["curation"]["properties"]["decontamination"]["properties"]
    benchmark = decontamination["benchmarks"]
    benchmarks = [
        {
            "name": _text(benchmark["items"]["properties"]["name"], n),
            "storageUri": _uri(benchmark["items"]["properties"]["storageUri"]),
        }
        for n in range(benchmark["maxItems"])
    ]
    return {
        "recipe": "ISheep",
        "iterations": 20,
        "model": {"storageUri": _uri(schema["model"]["properties"]["storageUri"])},
        "compute": {**_largest(schema["compute"]), "jobs": "PerPool"},
        "curation": {"decontamination": {"benchmarks": benchmarks}},
        **changes,
    }


def other_bytes() -> int:
    """Return the size of the other fields of a spec if each of them has its largest value."""
    schema = openapi_schema()["properties"]["spec"]["properties"]
    others = [node for name, node in schema.items() if name not in largest_spec()]
    return sum(stored_bytes(_largest(node)) for node in others)


def stored_bytes(value: Any) -> int:
    """Return the size of a value as an API server stores it."""
    if isinstance(value, dict):
        sizes = [stored_bytes(k) + 1 + stored_bytes(v) for k, v in value.items()]
        return 2 + sum(sizes) + max(0, len(sizes) - 1)
    if isinstance(value, list):
        return 2 + sum(stored_bytes(item) for item in value) + max(0, len(value) - 1)
    if isinstance(value, str):
        return 2 + sum(6 if char in "<>&" else 1 for char in value)
    return len(str(value))


def _largest(node: dict[str, Any], number: int = 0) -> Any:
    """Return the largest value of a node; equal numbers make equal values."""
    if "enum" in node:
        # Only a toleration with Equal has a value.
        return "Equal" if "Equal" in node["enum"] else max(node["enum"], key=len)
    match node.get("type"):
        case "object" if "properties" in node:
            fields = node["properties"].items()
            return {n: _largest(child, number) for n, child in fields if n not in ABSENT}
        case "object":
            value = node["additionalProperties"]
            keys = (f"{n:02}" + "x" * (KEY_CHARACTERS - 2) for n in range(node["maxProperties"]))
            return {key: _largest(value, number) for key in keys}
        case "array":
            return [_largest(node["items"], n) for n in range(node["maxItems"])]
        case "integer":
            return node["maximum"]
        case "boolean":
            return False
        case "string":
            return _text(node, number)
        case _:
            return "1" * 32


def _uri(node: dict[str, Any]) -> str:
    length: int = node["maxLength"]
    return ("s3://bucket/" + LONGEST * length)[:length]


def _text(node: dict[str, Any], number: int) -> str:
    length: int = node["maxLength"]
    if "pattern" not in node:
        return LONGEST * length
    return f"n{number}" + "x" * (length - len(f"n{number}"))
