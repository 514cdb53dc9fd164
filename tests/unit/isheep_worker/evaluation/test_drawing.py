"""The items of a benchmark are drawn by a hash of each item."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.evaluation.drawing import Share, drawn, item_hash

HASHES = [item_hash({"question": number}) for number in range(400)]
VALIDATION, TEST = Share(end=0.3), Share(begin=0.3)


def test_two_shares_have_all_items_and_none_in_common() -> None:
    first, second = drawn(HASHES, VALIDATION, None), drawn(HASHES, TEST, None)
    assert sorted([*first, *second]) == list(range(400))
    assert 80 < len(first) < 160
    assert drawn(HASHES, Share(), None) == list(range(400))


def test_equal_items_are_in_the_same_share() -> None:
    twice = [*HASHES, *HASHES]
    first = drawn(twice, VALIDATION, None)
    assert {number % 400 for number in first} == set(drawn(HASHES, VALIDATION, None))
    assert len(first) == 2 * len(drawn(HASHES, VALIDATION, None))


@given(st.permutations(range(60)), st.integers(1, 70))
def test_the_order_of_the_file_changes_nothing(order: list[int], limit: int) -> None:
    plain = {HASHES[number] for number in drawn(HASHES[:60], Share(), limit)}
    moved = [HASHES[number] for number in order]
    found = drawn(moved, Share(), limit)
    assert {moved[number] for number in found} == plain
    assert found == sorted(found)
    assert len(found) == min(limit, 60)


@pytest.mark.parametrize("share", [Share(), VALIDATION, TEST])
def test_a_smaller_limit_draws_a_part_of_a_larger_one(share: Share) -> None:
    assert set(drawn(HASHES, share, 10)) < set(drawn(HASHES, share, 30))
    assert set(drawn(HASHES, share, 30)) < set(drawn(HASHES, share, None))


def test_the_order_of_keys_does_not_change_a_hash() -> None:
    assert item_hash({"a": 1, "b": "ä"}) == item_hash({"b": "ä", "a": 1})
    assert item_hash({"a": 1}) != item_hash({"a": 2})


def test_every_hash_is_in_one_of_two_shares() -> None:
    for value in ("0" * 64, "4" * 64, "f" * 64):
        assert sum(share.has(value) for share in (Share(end=0.3), Share(begin=0.3))) == 1
