"""YAML with the rules of Kubernetes. tests/control_plane compares it with a real API server."""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isheep.api.reading.yaml_reader import (
    MAX_VALUES,
    Place,
    YamlError,
    plain_scalar,
    read_documents,
)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Let no finalizer of an earlier test's objects run where the stack has no room for it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("y", True),
        ("off", False),
        ("tRue", "tRue"),
        ("", None),
        ("~", None),
        ("010", 8),
        ("08", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0b11", -3),
        ("1_000", 1000),
        ("1e3", 1000),
        (".5", 0.5),
        ("5.", 5),
        ("._1", "._1"),
        (".1_0", 0.1),
        ("1e400", "1e400"),
        ("60:1", "60:1"),
        ("2026-01-31", "2026-01-31"),
        ("1.5Gi", "1.5Gi"),
        ("=", "="),
    ],
)
def test_a_plain_scalar_has_its_value_in_kubernetes(text: str, value: Any) -> None:
    read = plain_scalar(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan"])
def test_infinity_and_nan_are_not_finite(text: str) -> None:
    number = plain_scalar(text)
    assert isinstance(number, float)
    assert not math.isfinite(number)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc-7"), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text("abcdef", min_size=2), json_values, min_size=1, max_size=4))
def test_json_is_read_as_json(value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False, indent="\t")
    (document,) = read_documents(text)
    assert document.value == value


def test_each_value_has_the_place_of_its_key() -> None:
    (document,) = read_documents("# a comment\nspec:\n  list: [1,\n    {a: b}]\n  no: 010\n")
    assert document.value == {"spec": {"list": [1, {"a": "b"}], "false": 8}}
    assert document.places[("spec",)] == Place(2, 1)
    assert document.places[("spec", "list")] == Place(3, 3)
    assert document.places[("spec", "list", 1, "a")] == Place(4, 6)
    assert document.written == {("spec", "false"): "010"}


def test_empty_documents_are_omitted() -> None:
    assert [d.value for d in read_documents("---\n# a comment\n---\na: 1\n---\n")] == [{"a": 1}]
    assert read_documents("") == []


def test_merge_keys_and_aliases_are_resolved() -> None:
    (document,) = read_documents("a: &x {b: 1}\nc: {<<: [*x, {d: 2}], e: *x}\n")
    assert document.value == {"a": {"b": 1}, "c": {"b": 1, "d": 2, "e": {"b": 1}}}


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("a: [1", "expected ',' or ']'", Place(1, 6)),
        ("a: 1\n\tb: 2", "cannot start any token", Place(2, 1)),
        ("a: 1\nb: 2\na: 3", "a is a duplicate of the key in line 1: remove one", Place(3, 1)),
        (
            "{a: {<<: {b: 1}, b: 2}}",
            "b is a duplicate of the key in line 1: remove one",
            Place(1, 18),
        ),
        ("? [a]\n: 1", "this key is not text: write it in quotes", Place(1, 3)),
        ("~: 1", "this key is not text: write it in quotes", Place(1, 1)),
        ("a: &x [*x]", "an alias is inside its own anchor: remove it", Place(1, 4)),
        ("a: *x", "undefined alias", Place(1, 4)),
        ("a: .nan", "JSON has no number .nan: write a finite number", Place(1, 4)),
        ("a: !!int x", "'x' does not match its tag !!int: remove the tag", Place(1, 4)),
        ("a: !!int yes", "'yes' does not match its tag !!int: remove the tag", Place(1, 4)),
        ("a: !!binary eA==", "!!binary is not supported: write text", Place(1, 4)),
        ("a: {<<: 3}", "<< must have a mapping or a list of mappings as its value", Place(1, 5)),
        ("a: \x01", "the character U+0001 is not allowed", Place(1, 4)),
    ],
)
def test_unusable_yaml_is_refused_with_its_place(text: str, message: str, place: Place) -> None:
    with pytest.raises(YamlError) as refused:
        read_documents(text)
    assert message in refused.value.message
    assert refused.value.place == place


@pytest.mark.usefixtures("no_collection")
def test_a_document_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(YamlError) as refused:
        read_documents("[" * 5000)
    assert "the document is nested too deeply: remove levels" in refused.value.message
    assert refused.value.place is None


def test_the_expansion_of_aliases_is_bounded() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]" for i in range(1, 12)]
    with pytest.raises(YamlError, match=str(MAX_VALUES)):
        read_documents("\n".join(levels))


@given(text=st.text(max_size=60))
def test_each_text_is_read_or_refused(text: str) -> None:
    try:
        documents = read_documents(text)
    except YamlError:
        return
    for document in documents:
        json.dumps(document.value, allow_nan=False)


def contains_y_or_n(value: Any) -> bool:
    """Return whether a text is y or n, which PyYAML writes plain and kubectl reads as a boolean."""
    if isinstance(value, dict):
        return any(map(contains_y_or_n, value.values()))
    if isinstance(value, list):
        return any(map(contains_y_or_n, value))
    return value in ("y", "Y", "n", "N")


@given(value=json_values.filter(lambda value: not contains_y_or_n(value)))
def test_the_output_of_pyyaml_is_read_back(value: Any) -> None:
    text = yaml.safe_dump({"key": value}, allow_unicode=True)
    (document,) = read_documents(text)
    assert document.value == {"key": value}
