"""The fields of a run by their paths, as the schema of the CRD has them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from isheep.api.generation.crd import Schema, run_schema
from isheep.api.reading.yaml_reader import FieldPath


def field_path(path: FieldPath) -> str:
    """Return a path as text, such as `spec.compute.inference.env[0].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def node(path: FieldPath) -> Schema:
    """Return the schema of the field at a path, or an empty schema if the field does not exist."""
    found = _schema()
    for part in path:
        found = child(found, part)
    return found


def child(schema: Schema, part: str | int) -> Schema:
    """Return the schema of one part of an object, a list or a map; empty if there is none."""
    if isinstance(part, int):
        found: Schema = schema.get("items", {})
    elif part in schema.get("properties", {}):
        found = schema["properties"][part]
    else:
        found = schema.get("additionalProperties", {})
    return found


def is_map(schema: Schema) -> bool:
    """Return whether a schema is that of a map, whose keys the user chooses."""
    return "additionalProperties" in schema and "properties" not in schema


@cache
def spec_paths() -> tuple[FieldPath, ...]:
    """Return the paths of all fields of the spec, each object before its fields."""
    return tuple(_walk(node(("spec",)), ("spec",)))


@cache
def _schema() -> Schema:
    return run_schema()


def _walk(schema: Schema, path: FieldPath) -> Iterator[FieldPath]:
    for name, found in schema.get("properties", {}).items():
        yield (*path, name)
        yield from _walk(found, (*path, name))
