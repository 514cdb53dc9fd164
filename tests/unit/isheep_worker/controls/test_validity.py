"""The figures of controls: scores that notice damage, scores that do not, and too few pairs."""

from __future__ import annotations

import numpy as np
import pytest

from isheep_worker.controls.drawing import control_id
from isheep_worker.controls.validity import control_figures
from isheep_worker.rows.schema import LevelScore, ScoreRow


def row(id_: str, score: float | None) -> ScoreRow:
    return ScoreRow(id_, None, {"Quality": LevelScore(score)})


def rows(count: int, shift: float) -> tuple[list[ScoreRow], list[ScoreRow]]:
    draw = np.random.default_rng(7)
    pairs = [row(f"p{n}", float(draw.integers(3, 9))) for n in range(count)]
    damaged = [
        row(control_id(f"p{n}", "Truncated"), float(draw.integers(3, 9) - shift))
        for n in range(count)
    ]
    return pairs, damaged


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [
        (2, "the scores see this damage"),
        (0, "the scores do not see this damage"),
        (-2, "the damaged responses have the higher scores"),
    ],
)
def test_the_verdict_follows_from_the_interval(shift: float, verdict: str) -> None:
    pairs, damaged = rows(120, shift)
    (found,) = (one for one in control_figures(pairs, damaged, 0) if one.kind == "Truncated")
    assert found.verdict == verdict
    assert (found.level, found.pairs, found.unread) == ("Quality", 120, 0)
    assert found.interval is not None
    assert found.area in found.interval


def test_a_few_pairs_give_no_probability_and_unread_controls_are_counted() -> None:
    pairs, damaged = rows(30, 2)
    damaged.append(row(control_id("p1", "Swapped"), None))
    found = {one.kind: one for one in control_figures(pairs, damaged, 0)}
    assert found["Truncated"].area is None
    assert found["Truncated"].verdict == "too few items (30, and 50 are needed)"
    assert (found["Swapped"].pairs, found["Swapped"].unread) == (0, 1)


def test_an_assessor_that_gives_everything_the_same_score_does_not_see_damage() -> None:
    pairs = [row(f"p{n}", 9.0) for n in range(60)]
    damaged = [row(control_id(f"p{n}", "Truncated"), 9.0) for n in range(60)]
    (found,) = (one for one in control_figures(pairs, damaged, 0) if one.kind == "Truncated")
    assert (found.area, found.verdict) == (0.5, "the scores do not see this damage")
