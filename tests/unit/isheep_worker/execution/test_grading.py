"""The grades of answers: what the judge gets of each model and turn, and what cannot be read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.order import JudgeEndpointRef
from isheep.recipes.evaluation_settings import JudgeSettings
from isheep.recipes.settings import Sampling
from isheep_worker.judging.document import JudgementSettings, question_requests
from isheep_worker.judging.graded_document import GradedJudgement, get_graded, put_graded
from isheep_worker.judging.graded_questions import GradedQuestion
from isheep_worker.rows.schema import ANSWERS, GRADES, AnswersRow
from isheep_worker.stages.judge import longest_prompts
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Known, LongestQuestion

from ..engines.endpoint_server import EndpointServer, Reply, chat, serving
from ..stages.stage_runner import StageRunner, statistics

QUESTIONS = [
    GradedQuestion("two", ("Name a sea.", "And a lake?"), "", ("The Baltic Sea.", ""), "geo"),
    GradedQuestion("one", ("Add 1 and 2.",), "", ("",), "math"),
]
CHAT_TEXTS = ("<user>", "<assistant>", "<user>", "<assistant>")


def stored(runner: StageRunner, limit: int | None = None, **changes: Any) -> str:
    fields: dict[str, Any] = {
        "questions": QUESTIONS,
        "asked": QUESTIONS,
        "library": TemplateLibrary(),
        "chat_texts": CHAT_TEXTS,
        **changes,
    }
    requests = question_requests([[1]] * len(QUESTIONS), 8, [2])
    settings = JudgementSettings(limit, 8, 0)
    return put_graded(runner.inputs, settings, GradedJudgement(**fields), {"Chat": requests})


def settings(runner: StageRunner, server: EndpointServer) -> JudgeSettings:
    runner.judge = {
        "judge_endpoint": JudgeEndpointRef(
            url=server.url,
            model="judge-1",
            max_concurrent_requests=2,
            timeout_seconds=30,
            max_retries=0,
        )
    }
    return JudgeSettings(
        endpoint={"model": "judge-1"},
        random_seed=0,
        kind="Grades",
        judgement=stored(runner),
        base_formats=("Chat",),
        sampling=Sampling(temperature=0.0, top_p=1.0, max_tokens=8),
    )


def answered(runner: StageRunner, role: str, *answers: tuple[str | None, ...]) -> None:
    rows = [AnswersRow(one.id, some) for one, some in zip(QUESTIONS, answers, strict=True)]
    runner.commit(role, ANSWERS, rows)


def grading(body: dict[str, Any], _: int) -> Reply:
    """Grade an answer with the number in it; the last answer of the prompt is the graded one."""
    text = body["messages"][0]["content"]
    (grade,) = re.findall(r"worth (\w+)", text.rpartition("answer begins]")[2])
    return chat(f"It is short.\nGrade: {grade}", prompt_tokens=9, completion_tokens=7)


def test_each_answer_is_graded_alone_and_a_second_turn_with_its_first(tmp_path: Path) -> None:
    runner = StageRunner(tmp_path)
    answered(runner, "answers", ("<think>x</think> worth 8", "worth 3"), ("worth 9",))
    answered(runner, "base", ("worth 7", "worth 6"), ("worth 5",))
    with serving(grading) as server:
        found = statistics(runner.run("judge", settings(runner, server), items=2))
        prompts = [one.body["messages"][0]["content"] for one in server.received]
    assert [(r.id, r.turn, r.base_format, r.grade) for r in runner.rows(GRADES)] == [
        ("two", 1, None, 8),
        ("two", 2, None, 3),
        ("one", 1, None, 9),
        ("two", 1, "Chat", 7),
        ("two", 2, "Chat", 6),
        ("one", 1, "Chat", 5),
    ]
    first = runner.rows(GRADES)[0]
    assert (first.category, first.characters, first.raw) == ("geo", 7, "It is short.\nGrade: 8")
    # The row also has the answer as the endpoint sent it.
    for row in runner.rows(GRADES):
        assert row.answer is not None
        assert not row.answer.is_cut
        document = json.loads(row.answer.json)
        assert document["choices"][0]["message"]["content"] == row.raw
        assert (document["model"], document["choices"][0]["finish_reason"]) == ("judge-1", "stop")
    assert (found["items"], found["grades"], found["promptTokens"]) == (2, 6, 54)
    assert (found["unreadableFirstTurn"], found["unreadableSecondTurn"]) == (0, 0)
    # No prompt has answers of two models.
    assert not any("worth 8" in text and "worth 7" in text for text in prompts)
    seconds = [text for text in prompts if "And a lake?" in text]
    assert len(seconds) == 2
    assert all("The Baltic Sea." in text and "Name a sea." in text for text in seconds)
    assert {one.body["temperature"] for one in server.received} == {0}


def test_nonsense_and_missing_answers_are_counted_by_turn(tmp_path: Path) -> None:
    runner = StageRunner(tmp_path)
    answered(runner, "answers", ("worth 8", None), ("worth nothing",))
    answered(runner, "base", ("worth 7", "worth 12"), ("worth 5",))
    with serving(grading) as server:
        found = statistics(runner.run("judge", settings(runner, server), items=2))
        assert len(server.received) == 5
    failures = [row.failure for row in runner.rows(GRADES)]
    assert failures == [None, "no-answer", "ambiguous", None, "out-of-range", None]
    assert (found["unreadableFirstTurn"], found["unreadableSecondTurn"]) == (1, 2)


@pytest.mark.parametrize("later", [(), ("And a lake?",)])
def test_the_longest_prompt_has_all_turns_and_references(later: tuple[str, ...]) -> None:
    references = ("The Baltic Sea.", "Lake Garda.")[: 1 + len(later)]
    longest = LongestQuestion(
        "evaluation.judgements[b]", "Name a sea.", "x", "", 64, later, references
    )
    known = Known(TemplateLibrary(), (), len, "instructions.sampling", 1, {"digest": longest})
    asked = JudgeSettings(
        endpoint={"model": "m"},
        random_seed=0,
        kind="Grades",
        judgement="digest",
        base_formats=("Chat",),
        sampling=Sampling(temperature=0.0, top_p=1.0, max_tokens=8),
    )
    (found,) = longest_prompts(asked, known)
    assert all(text in found.text for text in ("Name a sea.", *later, *references))
    assert found.template == ("judge-second-turn" if later else "judge-first-turn")
    assert (found.generated, found.answer, found.field) == (64, 8, "evaluation.judgements[b]")


@pytest.mark.parametrize(
    "changes",
    [
        {"questions": [QUESTIONS[0], GradedQuestion("one", ("Add 1 and 3.",), "", ("",), "math")]},
        {"questions": [GradedQuestion("two", ("Name a sea.", "Why?"), "", ("", "")), QUESTIONS[1]]},
        {"library": TemplateLibrary({"response-raw": "{{ instruction }}!{{ input }}"})},
        {
            "library": TemplateLibrary(
                {"judge-second-turn": TemplateLibrary().texts["judge-second-turn"] + "!"}
            )
        },
        {"chat_texts": ("<user>", "<assistant>", "<human>", "<assistant>")},
    ],
)
def test_the_digest_covers_what_second_turns_are_made_from(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    runner = StageRunner(tmp_path)
    assert stored(runner) == stored(runner)
    assert stored(runner, **changes) != stored(runner)


def test_a_stored_judgement_asks_the_questions_of_its_limit(tmp_path: Path) -> None:
    runner = StageRunner(tmp_path)
    found = get_graded(runner.inputs, stored(runner, limit=1))
    assert (list(found.questions), len(found.asked)) == (QUESTIONS, 1)
    assert found.chat_texts == CHAT_TEXTS
