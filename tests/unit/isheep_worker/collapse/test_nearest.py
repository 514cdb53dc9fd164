"""The nearest neighbour is that of a comparison of all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from isheep_worker.collapse.corpus import Vocabulary, corpus_of
from isheep_worker.collapse.nearest import nearest_rouge_l

SCORER = RougeScorer(["rougeL"], use_stemmer=False)
# A small vocabulary, so that overlaps, repetitions and ties are common.
TEXT = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]), max_size=9).map(" ".join)


def f1(one: str, other: str) -> float:
    return SCORER.score(one, other)["rougeL"].fmeasure


@given(st.lists(TEXT, max_size=8), st.lists(TEXT, max_size=40))
@settings(max_examples=60)
def test_the_f1_is_that_of_all_pairs(texts: list[str], pool: list[str]) -> None:
    vocabulary: Vocabulary = {}
    indexed = corpus_of(pool, vocabulary)
    found = nearest_rouge_l(corpus_of(texts, vocabulary), indexed)
    expected = [max((f1(text, other) for other in pool), default=0.0) for text in texts]
    assert found.tolist() == pytest.approx(expected)


@given(st.lists(TEXT, min_size=1, max_size=60))
@settings(max_examples=40)
def test_a_text_is_not_its_own_neighbour(pool: list[str]) -> None:
    indexed = corpus_of(pool, {})
    found = nearest_rouge_l(indexed, indexed, range(len(pool)))
    expected = [
        max((f1(text, other) for k, other in enumerate(pool) if k != place), default=0.0)
        for place, text in enumerate(pool)
    ]
    assert found.tolist() == pytest.approx(expected)


def test_words_that_the_pool_does_not_have_count_for_the_length() -> None:
    vocabulary: Vocabulary = {}
    pool = corpus_of(["write a poem"], vocabulary)
    texts = corpus_of(["write a long sad poem", "nothing else"], vocabulary)
    assert nearest_rouge_l(texts, pool).tolist() == [2 * 3 / 8, 0.0]


def test_an_empty_pool_has_no_neighbour() -> None:
    assert nearest_rouge_l(corpus_of(["a"], {}), corpus_of([], {})).tolist() == [0.0]
    assert np.array_equal(nearest_rouge_l(corpus_of([], {}), corpus_of(["a"], {})), [])
