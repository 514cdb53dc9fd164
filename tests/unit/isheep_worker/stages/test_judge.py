"""judge: which answer is A in which request, what is read, and the stage with a tiny model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.choices import PromptFormat
from isheep.contract.order import JudgeEndpointRef
from isheep.recipes.evaluation_settings import (
    GradedModel,
    JudgedModel,
    JudgeSettings,
    VerdictSettings,
)
from isheep.recipes.settings import Sampling
from isheep_worker.evaluation.stored import get_benchmark, get_files
from isheep_worker.judging.document import (
    JudgementSettings,
    get_judgement,
    put_judgement,
    question_requests,
)
from isheep_worker.judging.questions import Question
from isheep_worker.rows.schema import (
    COMPLETIONS,
    EVALUATIONS,
    GRADES,
    OUTPUTS,
    PAIRS,
    PREFERENCES,
    SELECTIONS,
    CompletionRow,
    EvaluationRow,
    GradeRow,
    OutputRow,
    PairRow,
    PreferenceRow,
    SelectionRow,
)
from isheep_worker.stages.judge import longest_prompts
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Known, LongestQuestion
from isheep_worker.yardstick.document import VERDICT_FILE

from ..engines.endpoint_server import EndpointServer, Reply, chat, serving
from .conftest import save_model_of_kinds
from .stage_runner import KEY, StageRunner, statistics

QUESTIONS = [Question(f"q{n}", f"Name {n} rivers.", "", f"output {n}") for n in range(70)]
SAMPLING = Sampling(temperature=0.0, top_p=1.0, max_tokens=8)
VERDICT, END = 1, 2


@pytest.fixture(scope="module")
def judge_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that writes `Verdict: A` after every prompt."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("judge")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    tokenizer.add_tokens(["Verdict: A"])
    kinds = {
        VERDICT: [tokenizer.convert_tokens_to_ids("Verdict: A")],
        END: [tokenizer.eos_token_id],
    }
    followers = ((0, kinds[VERDICT], 1.0), (VERDICT, kinds[END], 1.0), (END, kinds[VERDICT], 1.0))
    save_model_of_kinds(tiny_model_dir, folder, tokenizer, kinds, followers)
    return folder


def stored(runner: StageRunner, limit: int | None = None) -> str:
    requests = question_requests([[1]] * len(QUESTIONS), 8, [2])
    return put_judgement(
        runner.inputs,
        JudgementSettings(limit, 8, 0),
        QUESTIONS,
        TemplateLibrary(),
        {"Chat": requests},
    )


def outputs(texts: Sequence[str]) -> list[OutputRow]:
    return [OutputRow(f"questions/{n}/0/0", text=text) for n, text in enumerate(texts)]


def settings(runner: StageRunner, length: int = 700, **changes: Any) -> JudgeSettings:
    fields = {
        "random_seed": 0,
        "kind": "WinRate",
        "judgement": stored(runner),
        "sampling": SAMPLING,
        **changes,
    }
    if "model" not in fields:
        fields["model"] = runner.model_settings(length)
    return JudgeSettings(**fields)


def test_a_judge_that_always_says_a_prefers_the_first_place_in_every_part(
    judge_dir: Path, tmp_path: Path
) -> None:
    runner = StageRunner(tmp_path, judge_dir)
    runner.commit("answers", OUTPUTS, outputs(["<think>x</think> An answer."] * 70))
    runner.commit("base", OUTPUTS, outputs(["Another one."] * 70))
    found = statistics(runner.run("judge", settings(runner), items=70))
    assert (found["items"], found["unreadableFirst"], found["unreadableSecond"]) == (70, 0, 0)
    rows = runner.rows(PREFERENCES)
    assert [row.id for row in rows] == [one.id for one in QUESTIONS]
    assert {(row.first, row.second, row.raw, row.answers) for row in rows} == {
        (1.0, 0.0, ("Verdict: A", "Verdict: A"), None)
    }
    assert b"answers" not in next(runner.artifacts.read_lines(KEY))
    # Neither thoughts nor white space around an answer count for its length.
    assert {(row.characters, row.other_characters) for row in rows} == {(10, 12)}


def test_the_answers_of_the_user_are_those_of_the_questions(
    judge_dir: Path, tmp_path: Path
) -> None:
    runner = StageRunner(tmp_path, judge_dir)
    runner.commit("answers", OUTPUTS, outputs(["x"] * 3))
    statistics(runner.run("judge", settings(runner, outputs=True), items=3))
    assert [row.other_characters for row in runner.rows(PREFERENCES)] == [8, 8, 8]


def test_a_prompt_that_is_too_long_is_unreadable_and_stops_nothing(
    judge_dir: Path, tmp_path: Path
) -> None:
    runner = StageRunner(tmp_path, judge_dir)
    runner.commit("answers", OUTPUTS, outputs(["word " * 500, "short"]))
    runner.commit("base", OUTPUTS, outputs(["a", "b"]))
    found = statistics(runner.run("judge", settings(runner, length=1400), items=2))
    assert (found["unreadableFirst"], found["unreadableSecond"]) == (1, 1)
    long, short = runner.rows(PREFERENCES)
    assert (long.first, long.first_failure, long.second_failure) == (None, "too-long", "too-long")
    assert short.first == 1.0


def preferring(body: dict[str, Any], _: int) -> Reply:
    """Answer with the letter of the answer that has the word `good`."""
    text = body["messages"][0]["content"]
    before, _, after = text.partition("[answer B begins]")
    in_a, in_b = "good" in before, "good" in after
    verdict = "Tie" if in_a == in_b else "A" if in_a else "B"
    return chat(f"One is clearer.\n\nVerdict: {verdict}", prompt_tokens=9, completion_tokens=7)


def judged_by(server: EndpointServer, runner: StageRunner) -> JudgeSettings:
    runner.judge = {
        "judge_endpoint": JudgeEndpointRef(
            url=server.url,
            model="judge-1",
            max_concurrent_requests=4,
            timeout_seconds=30,
            max_retries=0,
        )
    }
    return settings(runner, model=None, endpoint={"model": "judge-1"})


def test_the_verdict_is_about_the_answer_of_the_model_in_both_orders(tmp_path: Path) -> None:
    runner = StageRunner(tmp_path)
    runner.commit("answers", OUTPUTS, outputs(["good", "bad", "good", "bad"]))
    runner.commit("base", OUTPUTS, outputs(["bad", "good", "good", "bad"]))
    with serving(preferring) as server:
        found = statistics(runner.run("judge", judged_by(server, runner), items=4))
    rows = runner.rows(PREFERENCES)
    assert [(row.first, row.second) for row in rows] == [
        (1.0, 1.0),
        (0.0, 0.0),
        (0.5, 0.5),
        (0.5, 0.5),
    ]
    assert (found["promptTokens"], found["tokens"]) == (72, 56)
    # The rows also have both answers as the endpoint sent them.
    for row in rows:
        assert row.answers is not None
        sent = [json.loads(one.json) for one in row.answers if one is not None]
        assert tuple(one["choices"][0]["message"]["content"] for one in sent) == row.raw
    assert {one.body["temperature"] for one in server.received} == {0}
    # Both orders of different answers; those of equal answers have the same prompt.
    assert len({one.body["messages"][0]["content"] for one in server.received}) == 6


def test_nonsense_is_counted_by_the_place_of_the_answer(tmp_path: Path) -> None:
    def nonsense(body: dict[str, Any], number: int) -> Reply:
        first = "[answer A begins]\ngood" in body["messages"][0]["content"]
        return chat("Both have merits.") if first else preferring(body, number)

    runner = StageRunner(tmp_path)
    runner.commit("answers", OUTPUTS, outputs(["good"] * 3))
    runner.commit("base", OUTPUTS, outputs(["bad"] * 3))
    with serving(nonsense) as server:
        found = statistics(runner.run("judge", judged_by(server, runner), items=3))
    assert (found["unreadableFirst"], found["unreadableSecond"]) == (3, 0)
    assert {row.first_failure for row in runner.rows(PREFERENCES)} == {"no-verdict"}


def test_the_longest_prompt_has_the_longest_question_and_both_answers() -> None:
    known = Known(
        library=TemplateLibrary(),
        seed_tasks=(),
        length=len,
        instructions_field="instructions.sampling",
        response=1,
        questions={"digest": LongestQuestion("evaluation.judgements[w]", "Why?", "x", "", 64)},
    )
    asked = JudgeSettings(
        endpoint={"model": "m"},
        random_seed=0,
        kind="WinRate",
        judgement="digest",
        sampling=SAMPLING,
    )
    (found,) = longest_prompts(asked, known)
    assert "Why?" in found.text
    assert (found.generated, found.answer, found.field) == (64, 8, "evaluation.judgements[w]")


def test_a_stored_judgement_has_all_questions_and_asks_those_of_the_limit(tmp_path: Path) -> None:
    runner = StageRunner(tmp_path)
    found = get_judgement(runner.inputs, stored(runner, limit=5))
    assert (len(found.questions), len(found.asked)) == (70, 5)
    assert stored(runner) == stored(runner)


def test_the_document_of_a_win_rate_has_no_template_of_another_kind(tmp_path: Path) -> None:
    """So the digests of win rates that exist do not change."""
    runner = StageRunner(tmp_path)
    digest = stored(runner)
    files = get_files(runner.inputs, get_benchmark(runner.inputs, digest)).files
    assert json.loads(files["templates.json"]).keys() == {"judge-pair"}
    assert json.loads(files["questions.jsonl"].splitlines()[0]).keys() == {
        *("id", "instruction", "input", "output", "difficulty")
    }


def test_the_verdict_has_the_win_rate_of_the_newest_model(tmp_path: Path) -> None:
    runner = StageRunner(tmp_path)
    answer = EvaluationRow("s", "Name a sea.", "", 1.0, 3, "The Baltic Sea.", "stop", 4)
    runner.commit("evaluations", EVALUATIONS, [answer])
    pair = SelectionRow(
        "i1-r1-c00000-p1", "Name 3 rivers.", "", "Nile.", "stop", kept=True, reason=None
    )
    runner.commit("data", SELECTIONS, [pair])
    answered = PairRow(pair.id, pair.instruction, "", pair.response, "stop", 4, 2)
    runner.commit("pairs", PAIRS, [answered])
    runner.commit("completions", COMPLETIONS, [CompletionRow(1, 0, "1. x", "stop", 4, 2)])
    rows = [PreferenceRow(f"q{n}", 1.0, float(n < 50), 90, 90) for n in range(60)]
    runner.commit("judgements", PREFERENCES, rows)
    sources: tuple[PromptFormat | None, ...] = (None, "Chat")
    grades = [
        GradeRow(f"q{n}", turn, of, (3 if turn == 2 and of is None else 7) + n % 2, 5, raw="x")
        for of in sources
        for n in range(40)
        for turn in (1, 2)
    ]
    runner.commit("grades", GRADES, grades)
    judged = JudgedModel(judgement="wins", digest=stored(runner), t=1, base_format="Chat")
    graded = GradedModel(judgement="bench", digest=stored(runner), t=1, base_formats=("Chat",))
    asked = VerdictSettings(
        random_seed=0,
        models=(0,),
        answer_format="Chat",
        data_formats=("Raw",),
        generated_in=(1,),
        planned_looks=1,
        guards=(),
        judged=(judged,),
        graded=(graded,),
        ngram=13,
    )
    found = statistics(runner.run("verdict", asked))
    assert (found["judgementItems"], found["judgementRate"]) == (60, pytest.approx(55 / 60))
    assert 0.5 < found["judgementLower"] < found["judgementRate"] < found["judgementUpper"]
    shown = [found[f"grade{name}"] for name in ("Items", "Mean", "Difference")]
    assert shown == [40, 5.5, -2.0]
    assert (found["secondMean"], found["secondDifference"]) == (3.5, -4.0)
    assert found["secondItems"] == found["gradeItems"]
    assert found["secondLower"] < -4 < found["secondUpper"] < 0
    path = runner.artifacts.file_path(KEY, VERDICT_FILE)
    assert path is not None
    document = json.loads(path.read_bytes())
    (section,) = document["judgements"]
    assert section["best"]["conclusion"] == "better"
    (bench,) = document["grades"]
    assert bench["best"]["conclusion"] == "worse"
    assert bench["best"]["corrected_p"] >= bench["best"]["p"]
    assert section["models"][0]["counts"]["reversals"] == 10
    # D(1) has the question "Name 3 rivers."
    assert document["overlap"][0]["iterations"][0]["instructions"] == 1
