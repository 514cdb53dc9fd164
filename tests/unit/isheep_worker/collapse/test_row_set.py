"""Sets are cut to equal sizes, by a draw that depends on the ids and the seed only."""

from random import Random

import numpy as np

from isheep_worker.collapse.corpus import corpus_of
from isheep_worker.collapse.row_set import (
    Budget,
    CollapseRow,
    collapse_row,
    equal_budget,
    read_rows,
)
from isheep_worker.rows.schema import PairRow, SelectionRow


def row(place: int, **fields: object) -> CollapseRow:
    values = {"instruction": f"write {place}", "response": "a b c", "finish_reason": "stop"}
    named = {"id": f"i1-r1-c{place}-p0", **values, **fields}
    return CollapseRow(**named)  # type: ignore[arg-type]


def test_the_draw_does_not_depend_on_the_order_of_the_rows() -> None:
    rows = [row(place, scores={"Quality": float(place)}) for place in range(40)]
    first = read_rows(rows, 0, {"write": 0} | {str(k): k + 1 for k in range(40)})
    Random(1).shuffle(rows)
    second = read_rows(rows, 0, {"write": 0} | {str(k): k + 1 for k in range(40)})
    for cut in (first, first.limited(Budget(10, 30, 10))):
        other = second if cut is first else second.limited(Budget(10, 30, 10))
        assert np.array_equal(cut.instructions.flat, other.instructions.flat)
        assert np.array_equal(cut.scores, other.scores)


def test_another_seed_draws_other_rows() -> None:
    rows = [row(place, scores={"Quality": float(place)}) for place in range(40)]
    assert not np.array_equal(read_rows(rows, 0, {}).scores, read_rows(rows, 1, {}).scores)


def test_all_sets_can_fill_the_budget() -> None:
    long = read_rows([row(place, response="a b c d") for place in range(3)], 0, {})
    many = read_rows([row(place, response="a") for place in range(9)], 0, {})
    assert equal_budget(long, many) == Budget(rows=3, words=3, scored=0)
    cut = many.limited(equal_budget(long, many))
    assert len(cut.responses) == len(cut.instructions) == len(cut.cut) == 3


def test_a_set_that_is_too_small_for_a_comparison_cuts_no_other_set() -> None:
    scores = {"Quality": 4.0}
    large = read_rows([row(place, scores=scores) for place in range(50)], 0, {})
    enough = read_rows([row(place) for place in range(30)], 0, {})
    # 40 pairs of two completions are not independent, and only 2 of 35 scored pairs are kept.
    few = read_rows(
        [row(0, id=f"i1-r1-c{place % 2}-p{place}", scores=scores) for place in range(40)], 0, {}
    )
    kept = read_rows([row(place, kept=place < 2, scores=scores) for place in range(35)], 0, {})
    none = read_rows([], 0, {})
    assert equal_budget(large, few, none) == Budget(rows=50, words=150, scored=50)
    assert equal_budget(large, enough, few) == Budget(rows=30, words=90, scored=50)
    assert equal_budget(large, kept) == Budget(rows=50, words=150, scored=35)
    assert len(kept.limited(equal_budget(large, kept)).responses) == 2


def test_scores_of_dropped_pairs_count_and_their_texts_do_not() -> None:
    rows = [
        row(0, scores={"Quality": 4.0, "Following": 6.0}, tokens=4, logprob=-2.0),
        row(1, kept=False, scores={"Quality": 9.0}, response="a b c d e"),
        row(2, kept=False),
    ]
    found = read_rows(rows, 0, {})
    assert len(found.instructions) == 1
    assert sorted(found.scores) == [5.0, 9.0]
    assert sorted(found.words) == [3.0, 5.0]
    assert found.kept_logprobs.tolist() == [-0.5]
    assert found.budget == Budget(rows=1, words=3, scored=2)


def test_a_row_of_select_keeps_scores_of_levels_only() -> None:
    stored = SelectionRow(
        "i1-r1-c0-p0", "Add.", "1 2", "3", "stop", True, None, {"Quality": 9.0, "PairPerplexity": 4}
    )
    pair = PairRow("i1-r1-c0-p0", "Add.", "1 2", "3", "stop", 9, 2, logprob=-0.5)
    found = collapse_row(stored, pair, exemplars=("s1",))
    assert found == CollapseRow(
        "i1-r1-c0-p0", "Add.\n1 2", "3", "stop", True, {"Quality": 9.0}, 2, -0.5, ("s1",)
    )
    assert corpus_of([found.instruction], {}).lengths.tolist() == [3]
