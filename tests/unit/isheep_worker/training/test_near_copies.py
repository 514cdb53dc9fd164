"""Near copies are in one group, also if they are connected by other texts only."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.training.near_copies import NearCopies

words = st.lists(st.sampled_from("abcd"), min_size=1, max_size=8).map(" ".join)


@given(st.lists(words, max_size=15))
def test_groups_are_the_connected_components_of_near_copies(texts: list[str]) -> None:
    copies = NearCopies()
    numbers = [copies.add(text)[0] for text in texts]
    found = [copies.group(number) for number in numbers]

    expected = list(range(len(texts)))
    for one, other in combinations(range(len(texts)), 2):
        if _near(texts[one], texts[other]):
            old, new = expected[other], expected[one]
            expected = [new if group == old else group for group in expected]
    for one, other in combinations(range(len(texts)), 2):
        assert (found[one] == found[other]) == (expected[one] == expected[other])


def _near(one: str, other: str) -> bool:
    pool = Deduplicator(Fraction(7, 10))
    pool.add(one)
    return one == other or pool.find(other) is not None


def test_a_text_merges_the_groups_of_all_its_near_copies() -> None:
    copies = NearCopies()
    one, _ = copies.add("a b c d e f g h")
    other, merged = copies.add("c d e f g h i j k l")
    assert merged == []
    assert copies.add("a b c d e f g h i j") == (one, [other])
    assert copies.group(other) == one
