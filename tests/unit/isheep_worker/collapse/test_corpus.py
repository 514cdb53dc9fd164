"""A corpus keeps the words of texts, and takes texts in any order."""

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.collapse.corpus import Corpus, Vocabulary, corpus_of
from isheep_worker.text.tokenization import words


def texts_of(corpus: Corpus, vocabulary: Vocabulary) -> list[list[str]]:
    names = list(vocabulary)
    return [
        [names[number] for number in corpus.flat[start : start + length]]
        for start, length in zip(corpus.starts, corpus.lengths, strict=False)
    ]


@given(st.lists(st.text(max_size=12), max_size=6), st.data())
def test_taken_texts_have_their_words(texts: list[str], data: st.DataObject) -> None:
    vocabulary: Vocabulary = {}
    corpus = corpus_of(texts, vocabulary)
    assert texts_of(corpus, vocabulary) == [words(text) for text in texts]
    order = data.draw(st.permutations(range(len(texts))))[: data.draw(st.integers(0, 6))]
    taken = corpus.take(order) if order else corpus.first(0)
    assert texts_of(taken, vocabulary) == [words(texts[place]) for place in order]


def test_the_position_of_the_text_of_each_word() -> None:
    corpus = corpus_of(["a b", "", "c"], {})
    assert corpus.text_of_word.tolist() == [0, 0, 2]
    assert len(corpus) == 3
