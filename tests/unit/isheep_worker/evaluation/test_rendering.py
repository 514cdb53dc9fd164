"""Requests are rendered in the same way each time, and faults name the benchmark."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.isheep_worker.evaluation.conftest import MAX_LENGTH, QUESTIONS, lines

from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.rendering import render
from isheep_worker.evaluation.requests import Scoring, requests_digest
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.runtime.errors import BadInputError


def test_rendering_again_gives_the_same_requests(
    tokenizer: Any, task_files: Callable[[str], TaskFiles]
) -> None:
    def rendered(**fields: Any) -> str:
        settings = BenchmarkSettings("gsm8k", **{"num_fewshot": 2, **fields})
        benchmark = load_benchmark(settings, task_files("gsm8k"))
        return requests_digest(
            render(benchmark, tokenizer, 2048, chat_template=tokenizer.chat_template)
        )

    random.seed(1)
    first = rendered()
    random.seed(2)
    assert rendered() == first
    assert len({first, rendered(random_seed=1), rendered(limit=3), rendered(num_fewshot=1)}) == 4
    assert rendered(prompt_format="Chat") != first


def test_a_request_that_cannot_be_made_names_its_benchmark(
    tokenizer: Any, task_files: Callable[[str], TaskFiles]
) -> None:
    benchmark = load_benchmark(BenchmarkSettings("gsm8k", num_fewshot=0), task_files("gsm8k"))
    with pytest.raises(BadInputError, match="benchmark gsm8k: the task generates up to 256 tokens"):
        render(benchmark, tokenizer, 256)


def test_an_item_whose_prompt_cannot_be_made_is_named(tokenizer: Any) -> None:
    row = {"id": "x", "question": "Which?", "choices": {"text": ["a"], "label": ["A"]}}
    rows = [*QUESTIONS[:7], row, *QUESTIONS[7:]]
    files = TaskFiles("q", {"q.jsonl": lines(rows)}, is_folder=False)
    benchmark = load_benchmark(BenchmarkSettings("arc_easy"), files)
    with pytest.raises(
        BadInputError, match=r"benchmark arc_easy: lm-eval cannot make the prompt of item 7 from"
    ):
        render(benchmark, tokenizer, MAX_LENGTH)


def test_requests_are_in_the_order_of_items_and_answers(
    tokenizer: Any, task_files: Callable[[str], TaskFiles]
) -> None:
    benchmark = load_benchmark(BenchmarkSettings("arc_easy", limit=3), task_files("arc_easy"))
    requests = render(benchmark, tokenizer, MAX_LENGTH)
    assert [(one.doc, one.number) for one in requests] == [
        (doc, number) for doc in benchmark.items["arc_easy"] for number in range(4)
    ]
    for one in requests:
        assert isinstance(one.work, Scoring)
        (window,) = one.work.windows
        answer = QUESTIONS[one.doc]["choices"]["text"][one.number]
        assert tokenizer.decode(window.continuation) == f" {answer}"
