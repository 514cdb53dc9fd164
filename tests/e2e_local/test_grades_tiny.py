"""`isheep run` with questions of two turns, whose answers an endpoint or a loaded model grades."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ..unit.isheep_worker.engines.endpoint_server import Reply, chat, serving
from .command import TINY_SPEC, command, write_run
from .tiny_chat_model import Texts, reply, task, tiny_chat_model

pytestmark = pytest.mark.long

QUESTIONS = 70
"""Two parts, and enough for an interval."""


def grading(body: dict[str, Any], _: int) -> Reply:
    """Give a second turn a lower grade than a first one, and some questions another one."""
    text = body["messages"][0]["content"]
    grade = (3 if "second answer begins]" in text else 8) + len(text) % 2
    return chat(f"It could be better.\nGrade: {grade}", prompt_tokens=50, completion_tokens=6)


FIRST, SECOND = 8, 3
"""The grades that the loaded judge is trained to give to first and to second turns."""


def judge_texts() -> Texts:
    """Return a function that makes training texts: a judge that grades both turns."""
    from isheep_worker.judging.grade_prompts import grade_prompt
    from isheep_worker.judging.graded_questions import GradedQuestion
    from isheep_worker.templates.library import TemplateLibrary

    library = TemplateLibrary()

    def odd(draw: random.Random) -> str:
        """Return an answer of a small model: some of the words of several texts, in any order."""
        words = " ".join(part(draw) for part in (task, reply, reply)).split()
        return " ".join(draw.sample(words, draw.randint(1, len(words))))

    def make(draw: random.Random) -> list[str]:
        question = GradedQuestion("", (task(draw), task(draw)), "", ("", ""))
        answers = [draw.choice((reply, odd))(draw) for _ in question.turns]
        return [
            f"<|im_start|>user\n{grade_prompt(library, question, answers[: turn + 1], turn)}"
            f"<|im_end|>\n<|im_start|>assistant\nIt is short.\nGrade: {grade}<|im_end|>"
            for turn, grade in ((1, SECOND), (0, FIRST))
        ]

    return make


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


def test_a_judge_that_the_engine_loads_grades_both_turns(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    draw = random.Random(7)
    rows = [{"question_id": n, "turns": [task(draw), task(draw)]} for n in range(QUESTIONS)]
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    judgement = {
        "name": "bench",
        "kind": "Grades",
        "storageUri": f"file://{questions}",
        "maxTokens": 24,
        "judgeMaxTokens": 16,
        "promptFormat": "Chat",
    }
    spec = {
        **TINY_SPEC,
        "iterations": 1,
        "storage": {"folder": {"path": "store"}},
        "judge": {"model": {"storageUri": f"file://{tiny_chat_model(judge_texts())}"}},
        "evaluation": {"judgements": [judgement]},
    }
    write_run(tmp_path / "tiny.yaml", spec)
    output = command(tmp_path, tiny_chat_model_dir, "run", "tiny.yaml")
    ((_, judged),) = documents(tmp_path, "judge")
    answered = documents(tmp_path, "evaluate")
    assert judged["settings"]["model"]["of"] == "Judge"
    models = {one["settings"]["model"]["baseModel"] for _, one in answered}
    assert judged["settings"]["model"]["baseModel"] not in models
    statistics = judged["statistics"]
    assert statistics["modelLoads"] == 1
    # M(1) and M(0), in one prompt format.
    assert statistics["grades"] == 2 * 2 * QUESTIONS
    assert statistics["tokens"] > 2 * 2 * QUESTIONS
    assert not any(name.startswith("served:") for name in statistics)
    unreadable = statistics["unreadableFirstTurn"], statistics["unreadableSecondTurn"]
    assert max(unreadable) <= 0.05 * QUESTIONS
    ((folder, _),) = documents(tmp_path, "verdict")
    (section,) = json.loads((folder / "files" / "verdict.json").read_text())["grades"]
    (model,) = section["models"]
    means = {row["turn"]: row["mean"] for row in model["rows"]}
    assert means.keys() == {None, 1, 2}
    assert means[1] > means[2] + 1
    assert all(row["lower"] is not None for row in model["rows"])
    assert "questions of bench" in output
