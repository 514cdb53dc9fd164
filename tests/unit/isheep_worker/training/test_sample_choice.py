"""The pairs of a large D(t) that are used: a draw by hash, or the first ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.training.sample_choice import drawn, first


@given(st.lists(st.integers(0, 2**63 - 1), unique=True), st.integers(0, 40), st.randoms())
def test_a_draw_is_a_function_of_the_set_of_pairs(
    seeds: list[int], count: int, draw: object
) -> None:
    shuffled = list(seeds)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = {seeds[position] for position in drawn(seeds, count)}
    assert chosen == {shuffled[position] for position in drawn(shuffled, count)}
    assert len(chosen) == min(count, len(seeds))
    assert chosen == set(sorted(seeds)[:count])


def test_a_draw_represents_every_round() -> None:
    """2,000 of 10,000 pairs: 20 % of each tenth, give or take 5 standard deviations."""
    seeds = [item_seed(0, "train/take", f"i1-r1-{number}") for number in range(10_000)]
    chosen = drawn(seeds, 2_000)
    for tenth in range(10):
        part = sum(1 for position in chosen if position // 1000 == tenth)
        assert 140 < part < 260


def test_the_first_pairs_are_those_of_the_lowest_positions() -> None:
    assert [position for position in range(5) if position in first(3)] == [0, 1, 2]
