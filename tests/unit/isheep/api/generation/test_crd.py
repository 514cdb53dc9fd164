"""The structural schema meets the requirements of API servers and agrees with the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from isheep.api.generation.crd import crd, crd_yaml, models_of, openapi_schema
from isheep.api.run import SelfAlignmentRun

COMMON = {"type", "description", "default", "enum"}
KEYWORDS = {
    "object": {"properties", "required", "additionalProperties", "maxProperties"}
    | {"x-kubernetes-validations", "x-kubernetes-preserve-unknown-fields"},
    "array": {"items", "minItems", "maxItems"}
    | {"x-kubernetes-list-type", "x-kubernetes-list-map-keys"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "integer": {"minimum", "maximum", "format"},
    "number": {"minimum", "maximum"},
    "boolean": set(),
    None: {"anyOf", "minimum", "maxLength", "pattern", "x-kubernetes-int-or-string"},
}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            yield from nodes(schema[inner], f"{path}[]")


def test_each_keyword_applies_to_its_type() -> None:
    for path, node in nodes(openapi_schema()):
        assert set(node) <= COMMON | KEYWORDS[node.get("type")], path


def test_every_string_list_and_map_is_bounded() -> None:
    for path, node in nodes(openapi_schema()):
        if path in (".apiVersion", ".kind", ".metadata", ".status.resolved"):
            continue
        match node.get("type"):
            case "string":
                assert {"maxLength", "enum", "format"} & set(node), path
            case "array":
                assert "maxItems" in node, path
            case "object":
                assert "properties" in node or "maxProperties" in node, path
            case None:
                assert node["x-kubernetes-int-or-string"], path
                assert "pattern" in node, path


def test_every_field_of_the_spec_has_a_description() -> None:
    spec = openapi_schema()["properties"]["spec"]
    missing = [
        path
        for path, node in nodes(spec, "spec")
        if "description" not in node and not path.endswith("[]")
    ]
    assert missing == []


def test_the_schema_has_all_defaults_of_the_models() -> None:
    """Filling in the schema's defaults, as an API server does, gives the spec of the models."""
    required = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://org/name"}}
    filled = with_defaults(required, openapi_schema()["properties"]["spec"])
    run = SelfAlignmentRun.read(
        {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": {"name": "run"},
            "spec": required,
        }
    )
    assert without_empty(filled) == without_empty(run.spec.document())


def with_defaults(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    filled = dict(value)
    for name, child in schema.get("properties", {}).items():
        if name not in filled and "default" in child:
            filled[name] = child["default"]
        if isinstance(filled.get(name), dict):
            filled[name] = with_defaults(filled[name], child)
    return filled


def without_empty(value: Any) -> Any:
    """Omit empty maps and lists, which mean the same as absent ones."""
    if not isinstance(value, dict):
        return value
    members = {name: without_empty(item) for name, item in value.items()}
    return {name: item for name, item in members.items() if item not in ({}, [])}


def test_a_new_run_has_a_status_for_no_generation() -> None:
    status = openapi_schema()["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}


def test_the_yaml_contains_the_crd() -> None:
    assert yaml.safe_load(crd_yaml()) == crd()


def test_the_names_of_models_are_distinct() -> None:
    """The schema generator finds the validation rules by the name of the model."""
    names = [model.__name__ for model in models_of(SelfAlignmentRun)]
    assert len(names) == len(set(names))
