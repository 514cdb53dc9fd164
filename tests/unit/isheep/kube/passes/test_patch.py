"""Merge patches: a patch that is applied as in RFC 7386 turns one status into the other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.kube.passes.patch import is_progress_only, status_patch


def merge(target: Any, patch: Any) -> Any:
    """Apply a merge patch as in RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


NAMES = st.sampled_from(["a", "b", "c", "stage", "progress"])
SCALARS = st.booleans() | st.integers(2, 9) | st.floats(2.5, 9.5) | st.text(max_size=3)


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(NAMES, values, max_size=4)


VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | objects(v), max_leaves=12)
OBJECTS = objects(VALUES)


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_a_patch_turns_one_status_into_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    patch = status_patch(before, after)
    assert merge(before, patch) == after
    assert (patch == {}) == (before == after)


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_a_patch_contains_only_different_members(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    patch = status_patch(before, after)
    for name in before.keys() | after.keys():
        same = name in before and name in after and before[name] == after[name]
        assert (name not in patch) == same


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": 1}, {}, {"a": None}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}, {"a": {"b": None}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, {"a": [{"b": 2}]}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": "x"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        # API servers return 8.0 as 8.
        ({"a": 8}, {"a": 8.0}, {}),
    ],
    ids=[
        "removed",
        "added",
        "changed in an object",
        "removed from an object",
        "emptied",
        "a list is replaced",
        "a list of objects is replaced",
        "an object becomes a list",
        "text becomes an object",
        "equal numbers",
    ],
)
def test_a_patch_has_the_smallest_changed_members(
    before: dict[str, Any], after: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert status_patch(before, after) == patch


STAGE = {"id": "i1/respond", "key": "k", "itemsDone": 1, "itemsTotal": 9}


@pytest.mark.parametrize(
    ("after", "only"),
    [
        ({"progress": "1/2 respond 22%", "stage": {**STAGE, "itemsDone": 2}}, True),
        ({"progress": "1/2 respond 22%", "stage": STAGE}, True),
        ({"stage": {**STAGE, "itemsDone": 2, "estimatedRemainingSeconds": 4}}, True),
        ({"stage": {"id": "i1/respond", "key": "k"}}, True),
        ({"stage": {**STAGE, "id": "i1/assess"}}, False),
        ({"stage": None, "progress": "2/2"}, False),
        ({"stage": {**STAGE, "itemsDone": 2}, "phase": "Stalled"}, False),
        ({"phase": "Stalled"}, False),
        ({"progress": "1/2 respond 22%", "stages": []}, False),
    ],
    ids=[
        "counts",
        "percent",
        "estimate",
        "counts removed",
        "another stage",
        "no stage",
        "counts and the phase",
        "phase",
        "percent and stages",
    ],
)
def test_only_changes_of_progress_are_progress_only(after: dict[str, Any], only: bool) -> None:
    before = {"phase": "Running", "progress": "1/2 respond 11%", "stage": STAGE}
    whole = {name: value for name, value in {**before, **after}.items() if value is not None}
    assert is_progress_only(status_patch(before, whole), before) == only


def test_the_first_stage_is_not_progress_only() -> None:
    before = {"phase": "Running"}
    assert not is_progress_only(status_patch(before, {**before, "stage": STAGE}), before)
