"""prepare with judgements: questions and requests in the store, and every bad file refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import dump_result
from isheep_worker.evaluation.requests import Generation
from isheep_worker.evaluation.stored import get_benchmark, get_requests
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.judging.document import get_judgement
from isheep_worker.templates.prompting import resolve_prompting

from .test_prepare import run_order

QUESTIONS = [{"instruction": f"Name {n} seas.", "output": "None."} for n in range(6)]


def given(
    judge: Path, folder: Path, rows: list[dict[str, Any]] | None = None, **changes: Any
) -> dict[str, Any]:
    """Write a file with questions; return the arguments of a driver of a run that judges them."""
    file = folder / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (rows or QUESTIONS)))
    judgement = {"name": "wins", "storageUri": f"file://{file}", "maxTokens": 16, **changes}
    return {
        "judge": {"model": {"storageUri": f"file://{judge}"}},
        "evaluation__judgements": [{"judgeMaxTokens": 16, **judgement}],
        "sources": {"judge": f"file://{judge}", "evaluation": {"wins": f"file://{file}"}},
    }


def test_the_requests_of_both_formats_and_the_length_of_the_judge_are_prepared(
    make_driver, tiny_model_dir, tmp_path
) -> None:
    more = given(tiny_model_dir, tmp_path, limit=4)
    driver = make_driver(tmp_path / "store", run_order, **more)
    result = run_order(driver.next_order())
    assert result.exit_code == 0, result
    driver.record(result)
    prepared = driver.prepared
    wins = prepared.evaluation["wins"]
    assert wins.requests == {"Raw": 4, "Chat": 4}
    assert len(dump_result(result)) <= 2048
    inputs = Inputs(driver.artifacts.store, "default")
    stored = get_judgement(inputs, wins.digest)
    assert (len(stored.questions), len(stored.asked)) == (6, 4)
    requests = get_requests(inputs, get_benchmark(inputs, wins.digest), "Chat")
    renderer = resolve_prompting(driver.model).renderer
    works = [one.work for one in requests]
    assert all(isinstance(work, Generation) and work.max_tokens == 16 for work in works)
    assert [list(work.prompt) for work in works] == [
        renderer.chat(one.instruction) for one in stored.asked
    ]
    # The judge sees the longest question, both answers of 16 tokens, and writes 16 tokens itself.
    text = stored.library.render(
        "judge-pair", instruction="Name 1 seas.", input="", answer_a="", answer_b=""
    )
    least = len(resolve_prompting(tiny_model_dir).renderer.raw(text.strip())) + 3 * 16
    assert prepared.judge.max_model_length >= least

    pinned = {**more["sources"], "pinned": {"evaluation:wins": wins.digest}}
    pinned["evaluation"] = {"wins": "file:///nowhere"}
    again = make_driver(tmp_path / "store", run_order, **{**more, "sources": pinned})
    again.record(run_order(again.next_order()))
    assert again.prepared.evaluation == prepared.evaluation


def test_judgements_with_one_prompt_format_have_the_requests_of_those_with_both(
    make_driver, tiny_model_dir, tmp_path
) -> None:
    def prepared(**changes: Any) -> Any:
        more = given(tiny_model_dir, tmp_path, limit=4, **changes)
        driver = make_driver(tmp_path / "store", run_order, **more)
        driver.record(run_order(driver.next_order()))
        return driver.prepared.evaluation["wins"]

    both, chat = prepared(), prepared(promptFormat="Chat")
    assert (chat.digest, chat.length) == (both.digest, both.length)
    assert chat.requests == {"Chat": 4}


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ([{"turns": ["a", "b"]}], {}, "has 2 questions, and a win rate compares answers to one"),
        (
            [{"instruction": "a"}],
            {"against": "Outputs"},
            "1 of 1 rows have no output, the first one is 'line-1': add the column output",
        ),
        (None, {"maxTokens": 32000}, "lower maxTokens, or leave out long questions"),
    ],
)
def test_bad_judgements_are_refused_before_a_gpu_is_requested(
    rows, changes, message, make_driver, tiny_model_dir, tmp_path
) -> None:
    more = given(tiny_model_dir, tmp_path, rows, **changes)
    driver = make_driver(tmp_path / "store", run_order, **more)
    result = run_order(driver.next_order())
    assert result.exit_code == ExitCode.BAD_INPUT, result
    assert result.message.startswith("evaluation.judgements[wins]: ")
    assert message in result.message


def test_a_judge_without_a_chat_template_is_refused(
    make_driver, tiny_base_model_dir, tmp_path
) -> None:
    more = given(tiny_base_model_dir, tmp_path)
    result = run_order(make_driver(tmp_path / "store", run_order, **more).next_order())
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "has no chat template, and evaluation.judgements asks it in chats" in result.message
