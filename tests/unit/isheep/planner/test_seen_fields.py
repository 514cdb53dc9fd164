"""The digests of a user's spec: one for each value that pinning compares."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isheep.planner.seen_fields import (
    DIGITS,
    EARLIER_DIGITS,
    MARK,
    as_digests,
    digests_like,
    field_digests,
)

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


def test_nobody_finds_two_values_with_one_digest() -> None:
    """A search for two values of the author's choice takes 2^(2 * DIGITS) tries."""
    assert 2 * DIGITS >= 80


def test_digests_of_an_earlier_version_are_compared_by_their_length() -> None:
    earlier = {**field_digests(SPEC, EARLIER_DIGITS)}
    assert earlier[MARK] is True
    assert len(earlier["iterations"]) == EARLIER_DIGITS
    assert digests_like(earlier, SPEC) == earlier
    assert digests_like(earlier, {**SPEC, "iterations": 4}) != earlier
    assert digests_like(field_digests(SPEC), SPEC) == field_digests(SPEC)
