"""anchors with a real model: the pairs with scores only, in parts, scored as assess scores them."""

from __future__ import annotations

from pathlib import Path

from isheep.recipes.settings import AnchorSettings
from isheep_worker.rows.schema import PAIRS, SCORES, LevelScore, PairRow, ScoreRow

from .stage_runner import StageRunner, statistics

KEY = "a" * 64
PAIRS_MADE, DRAWN = 90, 70


def test_the_same_pairs_are_scored_again(tiny_model_dir: Path, tmp_path: Path) -> None:
    runner = StageRunner(tmp_path, tiny_model_dir)
    runner.commit(
        "pairs",
        PAIRS,
        [
            PairRow(f"p{n}", f"Name bird {n}.", "", f"{n} is a wren.", "stop", 9, 4)
            for n in range(PAIRS_MADE)
        ],
    )
    runner.commit(
        "scores",
        SCORES,
        [
            ScoreRow(f"p{n}", None, {"Quality": LevelScore(7.0 if n else None)})
            for n in range(PAIRS_MADE)
        ],
    )
    settings = AnchorSettings(**runner.assess_settings(), explanations=0)
    found = statistics(runner.run("anchors", settings, DRAWN, KEY))
    rows = runner.rows(SCORES, KEY)
    ids = {row.id for row in rows}
    assert len(rows) == len(ids) == DRAWN
    assert ids < {f"p{n}" for n in range(1, PAIRS_MADE)}  # p0 has no score
    # The draw is by a hash, so it is not the first pairs.
    assert ids != {f"p{n}" for n in range(1, DRAWN + 1)}
    assert found["pairs"] == found["scored"] == DRAWN
    assert all(row.levels["Quality"].score is not None for row in rows)
