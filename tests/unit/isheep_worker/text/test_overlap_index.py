"""The index loses no pair with any order of words, and returns few candidates."""

from __future__ import annotations

from array import array
from collections import Counter
from fractions import Fraction
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.text.overlap_index import OverlapIndex, Threshold

TEXT = st.lists(st.integers(0, 9), max_size=14).map(lambda numbers: array("I", numbers))
BOUND = st.sampled_from([Fraction(0), Fraction(1, 4), Fraction(2, 3), Fraction(7, 10), Fraction(1)])
MODULE = "isheep_worker.text.overlap_index"


def index_of(bound: Fraction, texts: list[array[int]]) -> OverlapIndex:
    index = OverlapIndex(Threshold(bound))
    for text in texts:
        index.add(text)
    return index


def overlap(one: array[int], other: array[int]) -> int:
    return (Counter(one) & Counter(other)).total()


@given(BOUND, st.integers(0, 50), st.integers(1, 50))
def test_least_is_the_shortest_lcs_above_the_bound(bound: Fraction, total: int, lcs: int) -> None:
    above = total > 0 and Fraction(2 * lcs, total) > bound
    assert above == (total > 0 and lcs >= Threshold(bound).least(total))


SMALL = {"_FEW_HITS": 0, "_FIRST_BLOCK": 1, "_HITS_WORTH_A_TEXT": 0}
USUAL = {"_FEW_HITS": 4096}


@pytest.mark.parametrize("constants", [USUAL, SMALL], ids=["usual", "small"])
@given(BOUND, st.lists(TEXT, max_size=12), st.lists(TEXT, min_size=1, max_size=4))
def test_every_text_that_overlaps_enough_is_a_candidate(
    constants: dict[str, int], bound: Fraction, pool: list[array[int]], texts: list[array[int]]
) -> None:
    threshold = Threshold(bound)
    index = index_of(bound, [])
    with patch.multiple(MODULE, **constants):
        # Texts are added between the searches, so the order of words is outdated for some of them.
        for text in (*texts, *pool, *texts):
            found = [p for block in index.candidates(text) for p in block.tolist()]
            assert found == sorted(set(found))
            for position, other in enumerate(index._texts):
                if overlap(text, other) >= threshold.least(len(text) + len(other)):
                    assert position in found
            index.add(text)


def test_the_first_block_is_small_if_there_are_many_candidates() -> None:
    text = array("I", range(20))
    blocks = index_of(Fraction(7, 10), [text] * 50_000).candidates(text)
    sizes = [len(block) for block in blocks]
    assert sizes[0] == 128
    assert sum(sizes) == 50_000


def test_words_that_become_common_lead_to_few_candidates() -> None:
    """All texts have different words; later texts also begin with the same new words."""
    own = [array("I", range(1000 + 20 * n, 1012 + 20 * n)) for n in range(4_000)]
    late = array("I", range(8))
    texts = [*own[:2_000], *(late + text for text in own[2_000:])]
    index = index_of(Fraction(7, 10), [])
    with patch(f"{MODULE}._HITS_WORTH_A_TEXT", 10):
        candidates = 0
        for text in texts:
            candidates += sum(len(block) for block in index.candidates(text))
            index.add(text)
    assert candidates < 10 * len(texts)
