"""Batches: every text once, no more padding than the bound allows, the same each time."""

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.measures.texts import TokenText, batches

TEXTS = st.lists(st.integers(1, 60), max_size=64).map(
    lambda lengths: [
        TokenText(f"t{number}", [1] * length, [2]) for number, length in enumerate(lengths)
    ]
)


@given(TEXTS, st.integers(0, 300))
def test_every_text_is_in_one_batch_within_the_bound(texts: list[TokenText], bound: int) -> None:
    cut = batches(texts, bound)
    assert sorted(t.id for batch in cut for t in batch) == sorted(t.id for t in texts)
    for batch in cut:
        assert len(batch) == 1 or len(batch) * max(len(text) for text in batch) <= bound
    assert [len(text) for batch in cut for text in batch] == sorted(len(text) for text in texts)
    assert batches(texts, bound) == cut


@given(TEXTS)
def test_a_bound_of_nothing_is_a_batch_each(texts: list[TokenText]) -> None:
    assert all(len(batch) == 1 for batch in batches(texts, 0))
