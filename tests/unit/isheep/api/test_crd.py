"""The structural schema: what API servers ask of one, and that it says all that the models say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from isheep.api.crd import crd, crd_yaml, models_of, openapi_schema
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


def test_only_keywords_that_mean_something_for_their_type() -> None:
    for path, node in nodes(openapi_schema()):
        assert set(node) <= COMMON | KEYWORDS[node.get("type")], path


def test_everything_is_bounded() -> None:
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


def test_every_field_of_the_spec_is_described() -> None:
    spec = openapi_schema()["properties"]["spec"]
    missing = [
        path
        for path, node in nodes(spec, "spec")
        if "description" not in node and not path.endswith("[]")
    ]
    assert missing == []


def test_the_defaults_of_the_models_are_all_there() -> None:
    """An API server that fills in the schema's defaults ends where the models do."""
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
    """Leave out maps and lists that are empty: they mean what absent ones do."""
    if not isinstance(value, dict):
        return value
    members = {name: without_empty(item) for name, item in value.items()}
    return {name: item for name, item in members.items() if item not in ({}, [])}


def test_the_status_of_a_new_run_is_about_no_generation() -> None:
    status = openapi_schema()["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}


def test_the_yaml_is_the_crd() -> None:
    assert yaml.safe_load(crd_yaml()) == crd()


def test_no_two_models_have_one_name() -> None:
    """Rules find their objects in the schema by the model's name."""
    names = [model.__name__ for model in models_of(SelfAlignmentRun)]
    assert len(names) == len(set(names))
