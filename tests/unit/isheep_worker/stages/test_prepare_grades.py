"""prepare with grades: both turns fit the models, the digest covers both, bad files are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep_worker.evaluation.requests import Generation
from isheep_worker.evaluation.stored import get_benchmark, get_requests
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.judging.graded_document import get_graded
from isheep_worker.templates.prompting import resolve_prompting

from .test_prepare import run_order

ROWS = [
    {
        "question_id": n,
        "category": "math",
        "turns": [f"Name {n} seas.", "And a long second question."],
        "reference": ["A reference."],
    }
    for n in range(6)
]


def given(
    judge: Path, folder: Path, rows: list[dict[str, Any]] | None = None, **changes: Any
) -> dict[str, Any]:
    """Write a file with questions; return the arguments of a driver of a run that grades them."""
    file = folder / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (rows or ROWS)))
    judgement = {"name": "bench", "kind": "Grades", "storageUri": f"file://{file}", **changes}
    return {
        "judge": {"model": {"storageUri": f"file://{judge}"}},
        "evaluation__judgements": [{"judgeMaxTokens": 16, "maxTokens": 16, **judgement}],
        "sources": {"judge": f"file://{judge}", "evaluation": {"bench": f"file://{file}"}},
    }


def test_both_turns_are_prepared_in_both_formats(make_driver, tiny_model_dir, tmp_path) -> None:
    more = given(tiny_model_dir, tmp_path, limit=4)
    driver = make_driver(tmp_path / "store", run_order, **more)
    result = run_order(driver.next_order())
    assert result.exit_code == 0, result
    driver.record(result)
    prepared = driver.prepared
    bench = prepared.evaluation["bench"]
    assert bench.requests == {"Raw": 4, "Chat": 4}
    inputs = Inputs(driver.artifacts.store, "default")
    stored = get_graded(inputs, bench.digest)
    assert (len(stored.questions), len(stored.asked), len(stored.chat_texts)) == (6, 4, 4)
    renderer = resolve_prompting(driver.model).renderer
    works = [one.work for one in get_requests(inputs, get_benchmark(inputs, bench.digest), "Chat")]
    assert all(isinstance(work, Generation) and work.max_tokens == 16 for work in works)
    assert [list(work.prompt) for work in works] == [
        renderer.chat(one.turns[0]) for one in stored.asked
    ]
    # The model needs both questions and two answers; the judge sees all of this with references.
    one = stored.asked[0]
    conversation = renderer.conversation(stored.chat_texts, (one.turns[0], "", one.turns[1]))
    assert bench.length >= len(conversation) + 2 * 16
    text = stored.library.render(
        "judge-second-turn",
        first_instruction=one.turns[0],
        first_answer="",
        first_reference="A reference.",
        input="",
        instruction=one.turns[1],
        answer="",
        reference="",
    )
    least = len(resolve_prompting(tiny_model_dir).renderer.raw(text.strip())) + 3 * 16
    assert prepared.judge.max_model_length >= least

    pinned = {**more["sources"], "pinned": {"evaluation:bench": bench.digest}}
    pinned["evaluation"] = {"bench": "file:///nowhere"}
    again = make_driver(tmp_path / "store", run_order, **{**more, "sources": pinned})
    again.record(run_order(again.next_order()))
    assert again.prepared.evaluation == prepared.evaluation


def test_grades_in_one_prompt_format_have_the_requests_of_those_in_both(
    make_driver, tiny_model_dir, tmp_path
) -> None:
    def prepared(**changes: Any) -> Any:
        more = given(tiny_model_dir, tmp_path, **changes)
        driver = make_driver(tmp_path / "store", run_order, **more)
        driver.record(run_order(driver.next_order()))
        return driver.prepared.evaluation["bench"]

    both, raw = prepared(), prepared(promptFormat="Raw")
    assert (raw.digest, raw.length) == (both.digest, both.length)
    assert raw.requests == {"Raw": 6}


def test_the_answers_have_the_temperature_of_their_category(
    make_driver, tiny_model_dir, tmp_path
) -> None:
    rows = [{**row, "category": ("math", "art", "")[n % 3]} for n, row in enumerate(ROWS)]

    def prepared(**changes: Any) -> tuple[str, list[tuple[str, float]]]:
        more = given(tiny_model_dir, tmp_path, rows, **changes)
        driver = make_driver(tmp_path / "store", run_order, **more)
        driver.record(run_order(driver.next_order()))
        digest = driver.prepared.evaluation["bench"].digest
        inputs = Inputs(driver.artifacts.store, "default")
        requests = get_requests(inputs, get_benchmark(inputs, digest), "Chat")
        categories = [one.category for one in get_graded(inputs, digest).asked]
        temperatures = [one.work.temperature for one in requests]  # type: ignore[union-attr]
        return digest, list(zip(categories, temperatures, strict=True))

    digest, found = prepared(temperatures={"math": 0, "art": 0.1})
    assert set(found) == {("math", 0.0), ("art", 0.1), ("", 0.7)}
    plain, same = prepared()
    assert {temperature for _, temperature in same} == {0.7}
    # The temperature of all questions, written for one category, is no other setting.
    assert prepared(temperatures={"math": 0.7})[0] == plain != digest


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (
            [{"turns": ["a", "b", "c"]}],
            {},
            "line 1: field 'turns' has 3 questions, and a judge grades at most 2",
        ),
        (
            None,
            {"temperatures": {"math": 0.0, "maths": 0.0}},
            "temperatures has the category 'maths', which no question has: correct it; the "
            "categories of the file are math",
        ),
        (
            None,
            {"maxTokens": 2040},
            "with answers to all turns of 2040, and the model has 4096: lower maxTokens",
        ),
    ],
)
def test_bad_questions_are_refused_before_a_gpu_is_requested(
    rows, changes, message, make_driver, tiny_model_dir, tmp_path
) -> None:
    more = given(tiny_model_dir, tmp_path, rows, **changes)
    result = run_order(make_driver(tmp_path / "store", run_order, **more).next_order())
    assert result.exit_code == ExitCode.BAD_INPUT, result
    assert result.message.startswith("evaluation.judgements[bench]: ")
    assert message in result.message
