"""Deduplication makes the same decisions as a comparison of all pairs with rouge_score."""

from fractions import Fraction
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.rouge_scorer import _lcs_table as lcs_table

from isheep_worker.curation.deduplication import Deduplicator, Duplicate
from isheep_worker.text.tokenization import words

SCORER = RougeScorer(["rougeL"], use_stemmer=False)
# A small vocabulary, so that overlaps, repetitions and boundaries are common.
TEXT = st.lists(
    st.sampled_from(["a", "b", "c", "d", "e", "f", "The", "the,", "x-y", "10"]), max_size=14
).map(" ".join)
THRESHOLD = st.sampled_from(["0", "0.25", "0.5", "0.6", "0.7", "2/3", "0.9", "1"])


def f1(one: str, other: str) -> Fraction:
    """Return the ROUGE-L F1 as a fraction, from the table of rouge_score."""
    m, n = words(one), words(other)
    if not m or not n:
        return Fraction(0)
    return Fraction(2 * int(lcs_table(m, n)[-1][-1]), len(m) + len(n))


def by_definition(threshold: str, pool: list[str], texts: list[str]) -> list[Duplicate | None]:
    """Return the decisions of the definition: compare each text with the whole pool."""
    pool = list(pool)
    decisions: list[Duplicate | None] = []
    for text in texts:
        scored = ((other, f1(text, other)) for other in pool)
        first = next((pair for pair in scored if pair[1] > Fraction(threshold)), None)
        decisions.append(first and Duplicate(*first))
        if first is None:
            pool.append(text)
    return decisions


@given(THRESHOLD, st.lists(TEXT, max_size=8), st.lists(TEXT, max_size=12))
@settings(max_examples=300)
def test_decisions_are_those_of_a_comparison_of_all_pairs(
    threshold: str, pool: list[str], texts: list[str]
) -> None:
    deduplicator = Deduplicator(Fraction(threshold))
    deduplicator.extend_pool(pool)
    expected = by_definition(threshold, pool, texts)
    assert deduplicator.accept(texts) == expected


@given(THRESHOLD, st.lists(TEXT, max_size=8), st.lists(TEXT, max_size=12))
def test_more_words_than_code_points_do_not_change_the_decisions(
    threshold: str, pool: list[str], texts: list[str]
) -> None:
    with patch("isheep_worker.text.spelling._LAST_CHARACTER", 3):
        deduplicator = Deduplicator(Fraction(threshold))
        deduplicator.extend_pool(pool)
        assert deduplicator.accept(texts) == by_definition(threshold, pool, texts)


@given(TEXT, TEXT)
def test_the_score_is_that_of_rouge_score(one: str, other: str) -> None:
    deduplicator = Deduplicator(0)
    deduplicator.extend_pool([one])
    (duplicate,) = deduplicator.accept([other])
    score = float(duplicate.score) if duplicate else 0.0
    assert score == pytest.approx(SCORER.score(one, other)["rougeL"].fmeasure)


@given(THRESHOLD, st.lists(TEXT, max_size=12), st.data())
def test_the_division_into_calls_does_not_change_the_decisions(
    threshold: str, texts: list[str], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(texts)))
    whole, halves = Deduplicator(Fraction(threshold)), Deduplicator(Fraction(threshold))
    assert whole.accept(texts) == halves.accept(texts[:cut]) + halves.accept(texts[cut:])


def test_a_score_equal_to_the_threshold_is_not_a_duplicate() -> None:
    # 7 of 10 words on both sides: F1 is exactly 0.7, which floats cannot represent.
    pool, on_boundary = "a b c d e f g h i j", "a b c d e f g x y z"
    for threshold, repeats in ((0.7, False), ("0.7", False), ("0.69999999999999999999", True)):
        deduplicator = Deduplicator(threshold)
        deduplicator.extend_pool([pool])
        assert (deduplicator.accept([on_boundary]) != [None]) is repeats


def test_a_dropped_text_does_not_join_the_pool() -> None:
    deduplicator = Deduplicator("0.7")
    chain = [
        "a b c d",
        "a b c d e",
        "b c d e f",
    ]  # each is similar to the one before, not to the first
    assert [bool(duplicate) for duplicate in deduplicator.accept(chain)] == [False, True, False]


def test_other_scripts_are_compared() -> None:
    deduplicator = Deduplicator("0.7")
    texts = [
        "写一首关于春天的诗",
        "写一首关于秋天的诗",
        "解释什么是光合作用",
        "Напиши письмо другу",
    ]
    decisions = deduplicator.accept(texts)
    assert decisions == [None, Duplicate(texts[0], Fraction(8, 9)), None, None]


def test_the_first_repeated_text_of_the_pool_is_returned() -> None:
    deduplicator = Deduplicator("0.7")
    deduplicator.extend_pool(["a b c d e", "a b c d x", "a b c d"])
    assert deduplicator.accept(["a b c d x"]) == [Duplicate("a b c d e", Fraction(8, 10))]


def test_a_text_without_words_repeats_no_text() -> None:
    assert Deduplicator("0").accept(["", "?!", "", "…"]) == [None] * 4


def test_with_the_threshold_one_no_text_is_a_duplicate() -> None:
    assert Deduplicator(1).accept(["a b", "a b"]) == [None, None]


@pytest.mark.parametrize("threshold", [-0.1, 1.1, "2", "nan"])
def test_thresholds_outside_0_to_1_are_refused(threshold: float | str) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1|nan"):
        Deduplicator(threshold)


# Not a benchmark: a comparison of all pairs would take hours, which the usual timeout ends.
@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        (["the " * 200_000, *["a b c"] * 5_000], 2),
        (["the " * (100_000 - count) for count in range(5)], 1),
        ([" ".join(f"w{n}-{k}" for k in range(10)) for n in range(5_000)], 5_000),
        ([" ".join(str(k) for k in range(100_000))] * 3, 1),
        (["x" * 1_000_000, "y" * 1_000_000, "x" * 1_000_000], 2),
        (
            ["same words before each one, and then", *(f"same words {n}" for n in range(5_000))],
            5_001,
        ),
    ],
    ids=["equal", "one word", "nothing shared", "many words", "a megabyte", "a shared beginning"],
)
def test_hostile_texts_are_compared_in_time(texts: list[str], kept: int) -> None:
    assert Deduplicator("0.7").accept(texts).count(None) == kept


def test_a_pool_of_near_repetitions_is_searched_in_time() -> None:
    words_of_it = [f"b{n}" for n in range(20)]
    pool = [" ".join([*words_of_it[:-1], f"x{n}"]) for n in range(20_000)]
    deduplicator = Deduplicator("0.7")
    deduplicator.extend_pool([*pool, *["a b c"] * 20_000])
    decisions = deduplicator.accept([" ".join([*words_of_it[:-1], f"y{n}"]) for n in range(2_000)])
    assert decisions == [Duplicate(pool[0], Fraction(19, 20))] * 2_000
    assert deduplicator.accept(["a b c"] * 2_000) == [Duplicate("a b c", Fraction(1))] * 2_000
