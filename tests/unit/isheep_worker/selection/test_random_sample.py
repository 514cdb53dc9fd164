"""Random: exactly so many, by the seed and the ids alone."""

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.schema import PairRow
from isheep_worker.selection.interface import selection_row
from isheep_worker.selection.random_sample import decide, draw, passing

IDS = st.lists(st.text(max_size=6), unique=True, max_size=30)


@given(IDS, st.integers(0, 40), st.integers(), st.randoms(use_true_random=False))
def test_order_of_arrival_changes_nothing(ids: list[str], size: int, seed: int, rng) -> None:  # type: ignore[no-untyped-def]
    drawn = draw(ids, size, seed, "i1/select")
    shuffled = list(ids)
    rng.shuffle(shuffled)
    assert draw(shuffled, size, seed, "i1/select") == drawn
    assert len(drawn) == min(size, len(ids))
    assert drawn <= set(ids)


@given(IDS, st.integers(0, 30), st.integers(0, 30))
def test_a_larger_sample_holds_the_smaller(ids: list[str], size: int, more: int) -> None:
    assert draw(ids, size, 0, "s") <= draw(ids, size + more, 0, "s")


def test_seed_and_stage_matter() -> None:
    ids = [str(i) for i in range(100)]
    samples = {
        draw(ids, 10, seed, stage) for seed in (0, 1) for stage in ("i1/select", "i2/select")
    }
    assert len(samples) == 4


PAIRS = {id_: PairRow(id_, "Name a bird.", "", "A wren.", "stop", 9, 4) for id_ in "abcd"}
JUDGED = [
    selection_row(PAIRS["a"], None, {"Quality": 9.0}),
    selection_row(PAIRS["b"], "rule:empty_response"),
    selection_row(PAIRS["c"], "score:Quality", {"Quality": 2.0}),
    selection_row(PAIRS["d"], "unparseable:Quality"),
]


def test_of_what_another_method_says_only_the_rules_count() -> None:
    assert list(passing(JUDGED)) == ["a", "c", "d"]
    rows = [decide(row, frozenset({"c", "d"})) for row in JUDGED]
    assert [(row.kept, row.reason) for row in rows] == [
        (False, "not_drawn"),
        (False, "rule:empty_response"),
        (True, None),
        (True, None),
    ]
    assert [row.scores for row in rows] == [row.scores for row in JUDGED]
