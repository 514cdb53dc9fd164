"""Stages that two versions have worked on: both spellings of a rule's name count as one.

The version before the registry wrote `question_back` in rows, `drop:rule-question_back` in the
statistics of a part of assess, and `drop:rule:question_back` in those of select.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from isheep.recipes.settings import AssessSettings, Sampling, SelectSettings
from isheep.store.manifest import Manifest, StageInfo, Timings
from isheep_worker.report.figures import iteration_figures
from isheep_worker.report.stage_figures import StageFigures, StageTime
from isheep_worker.rows.schema import (
    PAIRS,
    SCORES,
    SELECTIONS,
    LevelScore,
    PairRow,
    RowCodec,
    ScoreRow,
)
from isheep_worker.rules.registry import all_names

from .stage_runner import KEY, RUN, StageRunner, statistics

COUNT = 70
OLD_STATISTICS = {
    "pairs": 64,
    "scored": 61,
    "drop:rule-question_back": 2,
    "drop:unparseable-Quality-no-number": 1,
    "score:Quality:9": 61,
    "sum:Quality": 61 * 9.0,
}


def pairs() -> list[PairRow]:
    """Return pairs; the rules drop two of the first part and one of the second."""
    asking = {0, 1, 64}
    return [
        PairRow(
            f"i1-r1-c{number:05d}-p1",
            "Name a bird.",
            "",
            "Which bird do you like?" if number in asking else f"Wren {number}.",
            "stop",
            9,
            4,
        )
        for number in range(COUNT)
    ]


def old_score_line(number: int, pair: PairRow) -> bytes:
    """Return a score row as the earlier version wrote it."""
    row: dict[str, Any] = {"id": pair.id, "rule": None, "levels": {}}
    if number < 2:
        row["rule"] = "question_back"
    elif number == 2:
        row["levels"] = {"Quality": {"score": None, "reason": "unparseable:no-number", "raw": "x"}}
    else:
        row["levels"] = {"Quality": {"score": 9.0, "reason": None, "raw": "9||good"}}
    return json.dumps(row).encode()


def assess_settings(runner: StageRunner) -> AssessSettings:
    return AssessSettings(
        model=runner.model_settings(600),
        random_seed=0,
        levels=("Quality",),
        rubric="Simple",
        scoring="Sampled",
        decoding="Free",
        prompt_format="Raw",
        sampling=Sampling(temperature=0.0, top_p=1.0, max_tokens=8),
        language="en",
        rules="ISheep",
        templates=runner.templates(),
    )


def drops(found: Mapping[str, float]) -> dict[str, float]:
    return {name: count for name, count in found.items() if name.startswith("drop:")}


def test_a_stage_with_parts_of_two_versions_commits_the_sums(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    runner = StageRunner(tmp_path, tiny_model_dir)
    made = pairs()
    runner.commit("pairs", PAIRS, made)
    lines = [old_score_line(number, pair) for number, pair in enumerate(made[:64])]
    runner.artifacts.write_part(KEY, 0, lines, OLD_STATISTICS)

    found = statistics(runner.run("assess", assess_settings(runner), COUNT))

    rows: list[ScoreRow] = runner.rows(SCORES)
    assert [row.id for row in rows] == [pair.id for pair in made]
    assert [row.rule for row in (rows[0], rows[1], rows[64])] == ["question-back"] * 3
    assert rows[2].levels["Quality"].reason == "unparseable-no-number"
    assert found["pairs"] == COUNT
    assert found["drop:question-back"] == 3
    # The tiny model writes no scores, so every pair of the second part is unparseable or scored.
    failures = {n: v for n, v in drops(found).items() if n.startswith("drop:unparseable-quality-")}
    assert sum(failures.values()) + found["scored"] + 3 == COUNT
    assert failures["drop:unparseable-quality-no-number"] >= 1
    assert {name.removeprefix("drop:") for name in drops(found)} <= all_names()
    manifest = runner.artifacts.manifest(KEY)
    assert manifest is not None
    assert b"question_back" not in manifest.model_dump_json().encode()


class Lines:
    """Stores rows that are encoded already."""

    @staticmethod
    def encode(line: bytes) -> bytes:
        return line


def old_selection_line(number: int, pair: PairRow) -> bytes:
    """Return a row of select as the earlier version wrote it."""
    reasons = {0: "rule:question_back", 1: "rule:question_back", 2: "unparseable:Quality"}
    reason = reasons.get(number)
    row = {
        "id": pair.id,
        "instruction": pair.instruction,
        "input": pair.input,
        "response": pair.response,
        "finish_reason": pair.finish_reason,
        "kept": reason is None,
        "reason": reason,
        "scores": {} if reason else {"Quality": 9.0},
    }
    return json.dumps(row).encode()


def test_select_over_rows_and_with_a_part_of_an_earlier_version_counts_the_current_names(
    tmp_path: Path,
) -> None:
    runner = StageRunner(tmp_path)
    made = pairs()
    old_scores = [old_score_line(number, pair) for number, pair in enumerate(made[:64])]
    new_scores = [
        SCORES.encode(ScoreRow(made[64].id, "question-back")),
        *(SCORES.encode(ScoreRow(p.id, None, {"Quality": LevelScore(8.0)})) for p in made[65:]),
    ]
    runner.commit("pairs", PAIRS, made)
    runner.commit("scores", cast("RowCodec[Any]", Lines()), [*old_scores, *new_scores])
    old_part = [old_selection_line(number, pair) for number, pair in enumerate(made[:64])]
    runner.artifacts.write_part(KEY, 0, old_part)

    settings = SelectSettings(
        method="SelfAssessment", random_seed=0, levels=("Quality",), threshold=8
    )
    found = statistics(runner.run("select", settings))

    assert drops(found) == {
        "drop:question-back": 3,
        "drop:unparseable-quality": 1,
        "drop:score-quality": 5,
    }
    assert (found["pairs"], found["kept"]) == (COUNT, COUNT - 9)
    reasons = [row.reason for row in runner.rows(SELECTIONS)]
    assert Counter(reasons) == {
        None: COUNT - 9,
        "question-back": 3,
        "unparseable-quality": 1,
        "score-quality": 5,
    }


def test_the_report_shows_the_current_names_of_a_manifest_of_an_earlier_version() -> None:
    now = datetime.now(UTC)

    def figures(kind: str, counts: Mapping[str, float], **examples: list[str]) -> StageFigures:
        document = {
            "key": "a" * 64,
            "stage": StageInfo(kind=kind, version=1, id=f"i1/{kind}", iteration=1).model_dump(),
            "timings": Timings(started_at=now, finished_at=now).model_dump(),
            "statistics": dict(counts),
            "examples": {name.replace("__", ":"): texts for name, texts in examples.items()},
            "run": RUN.model_dump(),
        }
        manifest = Manifest.model_validate(document)
        return StageFigures(
            f"i1/{kind}",
            kind,
            1,
            None,
            "a" * 64,
            "u",
            StageTime(0, 1, 0, 0, 0),
            manifest.statistics,
            manifest.examples,
        )

    old = (
        figures("assess", {**OLD_STATISTICS, "scored": 61}),
        figures(
            "select",
            {
                "kept": 50,
                "drop:rule:question_back": 2,
                "drop:unparseable:Quality": 1,
                "drop:score:Quality": 11,
            },
            score__Quality=["score:Quality: Name a bird."],
        ),
    )
    funnel = iteration_figures(1, old).funnel
    assert [(step.label, step.count) for step in funnel] == [
        ("pairs read", 64),
        ("question-back", 2),
        ("unparseable-quality", 1),
        ("pairs scored", 61),
        ("score-quality", 11),
        ("pairs kept: D(t)", 50),
    ]
    assert funnel[4].examples == ("score:Quality: Name a bird.",)
