"""Random keeps an exact number of pairs, by the seed and the ids only."""

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.schema import PairRow
from isheep_worker.selection.interface import selection_row
from isheep_worker.selection.random_sample import decide, draw, passing

IDS = st.lists(st.text(max_size=6), unique=True, max_size=30)


@given(IDS, st.integers(0, 40), st.integers(), st.randoms(use_true_random=False))
def test_the_order_of_pairs_does_not_change_the_draw(
    ids: list[str], size: int, seed: int, rng
) -> None:  # type: ignore[no-untyped-def]
    drawn = draw(ids, size, seed, "i1/select")
    shuffled = list(ids)
    rng.shuffle(shuffled)
    assert draw(shuffled, size, seed, "i1/select") == drawn
    assert len(drawn) == min(size, len(ids))
    assert drawn <= set(ids)


@given(IDS, st.integers(0, 30), st.integers(0, 30))
def test_a_larger_sample_contains_the_smaller_one(ids: list[str], size: int, more: int) -> None:
    assert draw(ids, size, 0, "s") <= draw(ids, size + more, 0, "s")


def test_the_draw_depends_on_the_seed_and_the_stage() -> None:
    ids = [str(i) for i in range(100)]
    samples = {
        draw(ids, 10, seed, stage) for seed in (0, 1) for stage in ("i1/select", "i2/select")
    }
    assert len(samples) == 4


PAIRS = {id_: PairRow(id_, "Name a bird.", "", "A wren.", "stop", 9, 4) for id_ in "abcd"}
DECIDED = [
    selection_row(PAIRS["a"], None, {"Quality": 9.0}),
    selection_row(PAIRS["b"], "empty-response"),
    selection_row(PAIRS["c"], "score-quality", {"Quality": 2.0}),
    selection_row(PAIRS["d"], "unparseable-quality"),
]


def test_only_the_drops_by_rules_of_another_method_count() -> None:
    assert list(passing(DECIDED)) == ["a", "c", "d"]
    rows = [decide(row, frozenset({"c", "d"})) for row in DECIDED]
    assert [(row.kept, row.reason) for row in rows] == [
        (False, "not-drawn"),
        (False, "empty-response"),
        (True, None),
        (True, None),
    ]
    assert [row.scores for row in rows] == [row.scores for row in DECIDED]


def test_a_response_that_could_not_be_read_is_not_drawn() -> None:
    row = selection_row(PAIRS["a"], "no-reply")
    assert list(passing([row])) == []
    assert decide(row, frozenset({"a"})) == row
