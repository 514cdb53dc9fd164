"""Questions with turns through the stages evaluate and judge, with tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from isheep.recipes.evaluation_settings import EvaluateSettings, JudgeSettings
from isheep.recipes.settings import Sampling
from isheep_worker.judging.document import JudgementSettings, question_requests
from isheep_worker.judging.graded_document import GradedJudgement, put_graded
from isheep_worker.judging.graded_questions import GradedQuestion
from isheep_worker.rows.schema import ANSWERS, GRADES, AnswersRow
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.prompting import resolve_prompting
from isheep_worker.templates.second_turn import second_turn_texts

from .conftest import save_model_of_kinds
from .stage_runner import KEY, StageRunner, statistics

QUESTIONS = [
    GradedQuestion(f"q{n}", (f"Name {n} rivers.", "And seas?")[: 1 + n % 3], "", ("", ""))
    for n in range(70)
]
LENGTH = 200


def stored(runner: StageRunner, model: Path) -> str:
    prompting = resolve_prompting(model)
    texts = second_turn_texts(AutoTokenizer.from_pretrained(model), prompting.chat_format)
    judgement = GradedJudgement(QUESTIONS, QUESTIONS, TemplateLibrary(), texts)
    prompts = [prompting.renderer.chat(one.turns[0]) for one in QUESTIONS]
    stops = prompting.chat_format.stop_token_ids
    requests = {"Chat": question_requests(prompts, 12, stops)}
    return put_graded(runner.inputs, JudgementSettings(None, 12, 0), judgement, requests)  # type: ignore[arg-type]


def test_a_worker_that_continues_makes_the_same_answers_and_no_stored_part_again(
    short_text_model_dir: Path, tmp_path: Path
) -> None:
    runner = StageRunner(tmp_path, short_text_model_dir)
    settings = EvaluateSettings(
        model=runner.model_settings(LENGTH),
        random_seed=0,
        prompt_format="Chat",
        benchmark=stored(runner, short_text_model_dir),
    )
    found = statistics(runner.run("evaluate", settings, items=70))
    rows: list[AnswersRow] = runner.rows(ANSWERS)
    assert [(row.id, len(row.answers)) for row in rows] == [
        (one.id, len(one.turns)) for one in QUESTIONS
    ]
    assert all(answer is not None for row in rows for answer in row.answers)
    assert len({row.answers for row in rows}) > 10
    assert (found["items"], found["unansweredTurns"]) == (70, 0)

    other = "e" * 64
    lines = list(runner.artifacts.read_part(KEY, 0))
    runner.artifacts.write_part(other, 0, [lines[1], *lines[1:]])
    statistics(runner.run("evaluate", settings, items=70, key=other))
    again: list[AnswersRow] = runner.rows(ANSWERS, other)
    # The stored part is as it was, with the mark of this test, and the other part is made again.
    assert again[0] == rows[1]
    assert again[1:] == rows[1:]


@pytest.fixture(scope="module")
def judge_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that writes `Grade: 7` after every prompt."""
    folder = tmp_path_factory.mktemp("judge")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    tokenizer.add_tokens(["Grade: 7"])
    kinds = {1: [tokenizer.convert_tokens_to_ids("Grade: 7")], 2: [tokenizer.eos_token_id]}
    followers = ((0, kinds[1], 1.0), (1, kinds[2], 1.0), (2, kinds[1], 1.0))
    save_model_of_kinds(tiny_model_dir, folder, tokenizer, kinds, followers)
    return folder


def test_a_judge_that_the_engine_loads_grades_every_part(judge_dir: Path, tmp_path: Path) -> None:
    runner = StageRunner(tmp_path, judge_dir)
    answers = [AnswersRow(one.id, ("An answer.", "x")[: len(one.turns)]) for one in QUESTIONS]
    runner.commit("answers", ANSWERS, answers)
    runner.commit("base", ANSWERS, answers)
    settings = JudgeSettings(
        model=runner.model_settings(1200),
        random_seed=0,
        kind="Grades",
        judgement=stored(runner, judge_dir),
        base_formats=("Chat",),
        sampling=Sampling(temperature=0.0, top_p=1.0, max_tokens=8),
    )
    found = statistics(runner.run("judge", settings, items=70))
    turns = sum(len(one.turns) for one in QUESTIONS)
    assert (found["items"], found["grades"]) == (70, 2 * turns)
    rows = runner.rows(GRADES)
    assert {row.grade for row in rows} == {7}
    assert {row.base_format for row in rows} == {None, "Chat"}
