"""`isheep run` with questions of two turns, whose answers an endpoint grades."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..unit.isheep_worker.engines.endpoint_server import Reply, chat, serving
from .command import TINY_SPEC, command, write_run

pytestmark = pytest.mark.long

QUESTIONS = 70
"""Two parts, and enough for an interval."""


def grading(body: dict[str, Any], _: int) -> Reply:
    """Give a second turn a lower grade than a first one, and some questions another one."""
    text = body["messages"][0]["content"]
    grade = (3 if "second answer begins]" in text else 8) + len(text) % 2
    return chat(f"It could be better.\nGrade: {grade}", prompt_tokens=50, completion_tokens=6)


def documents(folder: Path, kind: str) -> list[tuple[Path, dict[str, Any]]]:
    """Return the folder and the manifest of each stage of a kind."""
    found = [
        (path.parent, json.loads(path.read_text()))
        for path in folder.glob("store/**/manifest.json")
    ]
    return [(path, one) for path, one in found if one["stage"]["kind"] == kind]


def test_both_turns_are_answered_graded_and_shown(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    rows = [
        {
            "question_id": n,
            "category": ("writing", "math")[n % 2],
            "turns": [f"Describe {n} quiet rivers.", "Now as one sentence."],
            "reference": ["None."] if n % 2 else None,
        }
        for n in range(QUESTIONS)
    ]
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serving(grading) as server:
        judgement = {
            "name": "bench",
            "kind": "Grades",
            "storageUri": f"file://{questions}",
            "maxTokens": 24,
            "judgeMaxTokens": 32,
        }
        spec = {
            **TINY_SPEC,
            "iterations": 1,
            "storage": {"folder": {"path": "store"}},
            "judge": {"endpoint": {"url": server.url, "model": "judge-1"}},
            "evaluation": {"judgements": [judgement]},
        }
        write_run(tmp_path / "tiny.yaml", spec)
        output = command(tmp_path, tiny_chat_model_dir, "run", "tiny.yaml")
        asked = [one.body["messages"][0]["content"] for one in server.received]
    ((_, judged),) = documents(tmp_path, "judge")
    # M(1), and M(0) in both prompt formats.
    assert judged["statistics"]["grades"] == 3 * 2 * QUESTIONS
    assert judged["statistics"]["unreadableFirstTurn"] == 0
    # prepare also sends one prompt of a second turn, to see that the judge has room for it.
    assert sum("Now as one sentence." in text for text in asked) == 3 * QUESTIONS + 1
    answered = documents(tmp_path, "evaluate")
    assert sorted(one["stage"]["id"][:2] for _, one in answered) == ["i0", "i0", "i1"]
    assert all(one["statistics"]["unansweredTurns"] == 0 for _, one in answered)
    ((folder, _),) = documents(tmp_path, "verdict")
    (section,) = json.loads((folder / "files" / "verdict.json").read_text())["grades"]
    for model in section["models"]:
        means = {(row["turn"], row["category"]): row["mean"] for row in model["rows"]}
        assert means.keys() == {
            *((None, ""), (1, ""), (2, "")),
            *((None, "writing"), (None, "math")),
        }
        assert 8 <= means[1, ""] <= 9
        assert 3 <= means[2, ""] <= 4
        assert all(row["lower"] is not None for row in model["rows"])
    assert (
        f"M(1): mean grade {section['models'][0]['rows'][0]['mean']:.2f} on 70 questions" in output
    )
    status = command(tmp_path, tiny_chat_model_dir, "status", "tiny.yaml")
    assert "second turns alone" in status
    (report,) = tmp_path.glob("store/**/runs/tiny/report.html")
    page = report.read_text()
    assert "bench: grades of the judge, 1 to 10" in page
    assert "<td>turn 2</td>" in page
