"""controls with a real model: the damage of scored pairs only, in parts, with the same seeds."""

from __future__ import annotations

from pathlib import Path

from isheep.contract.choices import CONTROL_KINDS
from isheep.recipes.settings import ControlSettings
from isheep_worker.controls.drawing import pair_and_kind
from isheep_worker.rows.schema import PAIRS, SCORES, LevelScore, PairRow, ScoreRow

from .stage_runner import StageRunner, statistics

KEY = "c" * 64


def test_the_controls_of_scored_pairs_are_scored(tiny_model_dir: Path, tmp_path: Path) -> None:
    runner = StageRunner(tmp_path, tiny_model_dir)
    runner.commit(
        "pairs",
        PAIRS,
        [
            PairRow(f"p{n}", f"Name bird {n}.", "", f"{n} is a wren. It has 2 legs.", "stop", 9, 4)
            for n in range(6)
        ],
    )
    runner.commit(
        "scores",
        SCORES,
        [ScoreRow(f"p{n}", None, {"Quality": LevelScore(7.0 if n else None)}) for n in range(6)],
    )
    settings = ControlSettings(**runner.assess_settings(), explanations=0, kinds=CONTROL_KINDS)
    found = statistics(runner.run("controls", settings, 6, KEY))
    rows = runner.rows(SCORES, KEY)
    kinds = {(pair, kind) for pair, kind in (pair_and_kind(row.id) for row in rows)}
    # p0 has no score; every response allows all kinds of damage.
    assert kinds == {(f"p{n}", kind) for n in range(1, 6) for kind in CONTROL_KINDS}
    assert found["pairs"] == found["scored"] == len(rows) == 25
