"""The pairs held out for validation: their number, their independence of the stage, near copies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.training.holdout import Origin, held_out

words = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6).map(" ".join)
datasets = st.lists(st.lists(words, max_size=12), max_size=4).map(
    lambda sets: [
        [
            Origin(seed=(number * 7919 + position * 104_729) % 10_007, instruction=text)
            for position, text in enumerate(texts)
        ]
        for number, texts in enumerate(sets)
    ]
)
shares = st.sampled_from([0.0, 0.1, 0.3, 0.5])


def distinct(count: int, dataset: int = 0) -> list[Origin]:
    """Return pairs with instructions that share no word."""
    return [
        Origin(
            10 + 1_000_000 * dataset + (number * 7919) % 100_003, f"d{dataset}w{number} x{number}"
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(30, 0.1, 3), (29, 0.1, 2), (9, 0.1, 0), (1000, 0.29, 290), (10, 0.0, 0), (0, 0.1, 0)],
)
def test_the_lowest_seeds_of_a_training_set_are_held_out(
    count: int, share: float, expected: int
) -> None:
    pairs = distinct(count)
    assert held_out([pairs], share) == set(sorted(pair.seed for pair in pairs)[:expected])
    assert held_out([list(reversed(pairs))], share) == held_out([pairs], share)


@given(datasets, shares)
def test_no_pair_that_was_trained_on_validates_a_later_model(
    sets: list[list[Origin]], share: float
) -> None:
    """Each M(t) is trained on D(1) to D(t), and starts from the model of M(t-1)."""
    trained: set[int] = set()
    for count in range(1, len(sets) + 1):
        validating = held_out(sets[:count], share)
        used = {pair.seed for pairs in sets[:count] for pair in pairs}
        assert not validating & trained
        trained |= used - validating


@given(datasets, shares)
def test_equal_instructions_are_on_one_side(sets: list[list[Origin]], share: float) -> None:
    validating = held_out(sets, share)
    sides: dict[str, set[bool]] = {}
    for pairs in sets:
        for pair in pairs:
            sides.setdefault(pair.instruction, set()).add(pair.seed in validating)
    assert all(len(found) == 1 for found in sides.values())


@given(st.lists(words, max_size=12), st.sampled_from([0.1, 0.5]))
def test_never_more_than_the_share_of_one_training_set(texts: list[str], share: float) -> None:
    pairs = [Origin(seed, text) for seed, text in enumerate(texts)]
    assert len(held_out([pairs], share)) <= share * len(texts)


def test_a_near_copy_in_a_later_training_set_follows_the_earlier_pair() -> None:
    first = distinct(20)
    lowest = min(first, key=lambda pair: pair.seed)
    highest = max(first, key=lambda pair: pair.seed)
    copies = [Origin(5_000_001, lowest.instruction), Origin(0, highest.instruction)]
    validating = held_out([first, [*distinct(20, dataset=1), *copies]], 0.1)
    assert 5_000_001 in validating
    assert 0 not in validating


def test_a_pair_that_connects_both_sides_moves_all_to_training() -> None:
    held, trained = Origin(1, "a b c d e f g h"), Origin(10, "c d e f g h i j k l")
    assert held_out([[held, trained]], 0.5) == {1}
    assert held_out([[held, trained], [Origin(2, "a b c d e f g h i j")]], 0.5) == set()
