"""The draw of the pairs, and the controls of each part."""

from __future__ import annotations

from isheep.contract.choices import CONTROL_KINDS
from isheep_worker.controls.drawing import control_pairs, drawn_ids, pair_and_kind
from isheep_worker.rows.schema import LevelScore, PairRow, ScoreRow

RESPONSE = "There are 4 seasons in a year. Each of them has 3 months, which makes 12."


def scored(id_: str, *scores: float | None) -> ScoreRow:
    return ScoreRow(id_, None, {str(n): LevelScore(score) for n, score in enumerate(scores)})


def pair(number: int) -> PairRow:
    return PairRow(f"p{number}", f"Task {number}", "", f"{RESPONSE} ({number})", "stop", 1, 1)


def test_only_pairs_with_all_scores_are_drawn_in_an_order_that_the_input_does_not_set() -> None:
    rows = [scored(f"p{n}", 5.0, 6.0) for n in range(40)]
    others = [scored("half", 5.0, None), ScoreRow("dropped", "cut")]
    drawn = drawn_ids([*rows, *others], 10)
    assert len(drawn) == 10
    assert drawn == drawn_ids([*others, *reversed(rows)], 10)
    assert drawn != [row.id for row in rows[:10]]
    assert len(drawn_ids([*rows, *others], 100)) == 40


def test_the_parts_have_all_controls_once_and_each_damage_is_real() -> None:
    pairs = [pair(n) for n in range(5)]
    parts = (control_pairs(pairs, numbers, CONTROL_KINDS) for numbers in (range(3), range(3, 9)))
    rows = [row for part in parts for row in part]
    assert [pair_and_kind(row.id) for row in rows] == [
        (one.id, kind) for one in pairs for kind in CONTROL_KINDS
    ]
    responses = {one.id: one.response for one in pairs}
    assert all(row.response != responses[pair_and_kind(row.id)[0]] for row in rows)
    (swapped,) = (row for row in rows if row.id == "p4/Swapped")
    assert (swapped.instruction, swapped.response) == ("Task 4", pairs[0].response)


def test_no_response_to_the_same_task_is_swapped_in() -> None:
    pairs = [pair(1), PairRow("p2", "Task 1", "", "Another answer.", "stop", 1, 1)]
    assert not list(control_pairs(pairs, range(2), ["Swapped"]))
    assert not list(control_pairs(pairs, range(2, 64), ["Swapped"]))
