"""Batches have each text once, stay within the limit, and are the same each time."""

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.measures.texts import TokenText, batches

TEXTS = st.lists(st.integers(1, 60), max_size=64).map(
    lambda lengths: [
        TokenText(f"t{number}", [1] * length, [2]) for number, length in enumerate(lengths)
    ]
)


@given(TEXTS, st.integers(0, 300))
def test_each_text_is_in_one_batch_within_the_limit(texts: list[TokenText], limit: int) -> None:
    cut = batches(texts, limit)
    assert sorted(t.id for batch in cut for t in batch) == sorted(t.id for t in texts)
    for batch in cut:
        assert len(batch) == 1 or len(batch) * max(len(text) for text in batch) <= limit
    assert [len(text) for batch in cut for text in batch] == sorted(len(text) for text in texts)
    assert batches(texts, limit) == cut


@given(TEXTS)
def test_with_a_limit_of_0_each_text_is_a_batch(texts: list[TokenText]) -> None:
    assert all(len(batch) == 1 for batch in batches(texts, 0))
