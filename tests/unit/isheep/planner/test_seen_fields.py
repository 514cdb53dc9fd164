"""The digests of a user's spec: one for each value that pinning compares."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isheep.planner.seen_fields import DIGITS, MARK, as_digests, field_digests

SPEC: dict[str, Any] = {
    "iterations": 3,
    "training": {"maxSamples": 70, "lora": {"r": 8}},
    "safeguards": {},
    "storage": {"s3": {"bucket": "one"}},
    "compute": {"inference": {"env": [{"name": "A", "value": "x" * 4096}]}},
}


def test_each_object_stays_an_object_and_each_other_value_becomes_a_digest() -> None:
    found = field_digests(SPEC)
    assert found.keys() == {MARK, *SPEC}
    assert found["safeguards"] == {}
    for value in (
        found["iterations"],
        found["training"]["lora"]["r"],
        found["storage"],
        found["compute"]["inference"]["env"],
    ):
        assert isinstance(value, str)
        assert len(value) == DIGITS


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ({"storage": {"a": 1, "b": 2}}, {"storage": {"b": 2, "a": 1}}, True),
        ({"training": {"r": None}}, {"training": {}}, True),
        ({"env": [{"name": "A"}, {"name": "B"}]}, {"env": [{"name": "B"}, {"name": "A"}]}, False),
        ({"training": {}}, {}, False),
        ({"remoteCode": "1"}, {"remoteCode": 1}, False),
    ],
)
def test_equal_values_have_equal_digests(
    before: dict[str, Any], after: dict[str, Any], *, same: bool
) -> None:
    assert (field_digests(before) == field_digests(after)) is same


def test_digests_are_read_back_and_a_stored_spec_is_digested() -> None:
    digests = field_digests(SPEC)
    assert as_digests(json.loads(json.dumps(digests))) == digests
    assert as_digests(SPEC) == digests


def test_the_digests_of_a_large_environment_are_short() -> None:
    env = [{"name": f"V{i}", "value": "x" * 4096} for i in range(64)]
    spec = {"compute": {"inference": {"env": env}}}
    assert len(json.dumps(spec)) > 260_000
    assert len(json.dumps(field_digests(spec))) < 100
