"""n-grams as numbers agree with n-grams as tuples."""

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.collapse.corpus import corpus_of
from isheep_worker.collapse.n_grams import n_grams

TEXTS = st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=8).map(" ".join), max_size=6)


@given(TEXTS, st.integers(1, 4))
def test_numbers_are_equal_exactly_if_the_n_grams_are(texts: list[str], n: int) -> None:
    corpus = corpus_of(texts, {})
    numbers, places = n_grams(corpus.flat, corpus.text_of_word, n)
    expected = [
        (tuple(words[k : k + n]), place)
        for place, words in enumerate(text.split() for text in texts)
        for k in range(len(words) - n + 1)
    ]
    assert places.tolist() == [place for _, place in expected]
    names = dict(zip(numbers.tolist(), (gram for gram, _ in expected), strict=True))
    assert [names[number] for number in numbers.tolist()] == [gram for gram, _ in expected]
    assert len(names) == len({gram for gram, _ in expected})
