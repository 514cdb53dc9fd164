"""assess with a real model: the explanations of the first pairs, and equal scores without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from isheep.recipes.settings import AssessSettings
from isheep_worker.rows.schema import PAIRS, SCORES, PairRow, ScoreRow

from .stage_runner import StageRunner, statistics

COUNT = 8
BIRDS = ("wren", "robin", "heron", "swift", "crane", "stork", "finch")


@pytest.fixture(scope="module")
def runner(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> StageRunner:
    runner = StageRunner(tmp_path_factory.mktemp("store"), tiny_model_dir)
    rows = [
        PairRow(f"p{n}", f"Name bird {n}.", "", f"A {BIRDS[n % 7]}.", "stop", 9, 4)
        for n in range(COUNT)
    ]
    runner.commit("pairs", PAIRS, rows)
    return runner


def assessed(runner: StageRunner, key: str, explanations: int) -> tuple[list[ScoreRow], float]:
    """Return the rows of a stage and its generated tokens."""
    settings = AssessSettings(**runner.assess_settings(), explanations=explanations)
    found = statistics(runner.run("assess", settings, COUNT, key * 64))
    return runner.rows(SCORES, key * 64), found["tokens"]


def explained(rows: list[ScoreRow]) -> list[bool]:
    return ["||" in row.levels["Quality"].raw for row in rows]


def test_explanations_change_no_score_and_are_those_of_the_first_pairs(runner) -> None:
    some, many_tokens = assessed(runner, "a", 6)
    none, few_tokens = assessed(runner, "b", 0)
    assert explained(some) == [True] * 6 + [False] * 2
    assert explained(none) == [False] * COUNT
    scores = [row.levels["Quality"].score for row in none]
    assert len(set(scores)) > 1
    assert [row.levels["Quality"].score for row in some] == scores
    assert few_tokens < many_tokens / 3
