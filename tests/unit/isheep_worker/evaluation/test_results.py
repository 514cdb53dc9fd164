"""Scores depend on the outputs only: not on their order, nor on what was scored before."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from tests.unit.isheep_worker.evaluation.conftest import FOLLOWED, MAX_LENGTH, lines

from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.rendering import render
from isheep_worker.evaluation.requests import Output
from isheep_worker.evaluation.results import Scores, ScoringError, score
from isheep_worker.evaluation.settings import BenchmarkSettings


def as_bytes(scores: Scores) -> bytes:
    return json.dumps([[asdict(item) for item in scores.items], scores.results]).encode()


def test_scoring_again_in_any_order_gives_the_same_bytes(
    tokenizer: Any, task_files: Callable[[str], TaskFiles], sentence_data: None
) -> None:
    """IFEval draws a random limit if an item states none, so it needs its own generator."""
    rows = [
        *FOLLOWED,
        *(
            {
                "key": 3 + number,
                "prompt": "Write some words.",
                "instruction_id_list": [
                    "length_constraints:number_words",
                    "language:response_language",
                ],
                "kwargs": [{}, {"language": "en"}],
            }
            for number in range(6)
        ),
    ]
    files = TaskFiles("i", {"train.jsonl": lines(rows)})
    settings = BenchmarkSettings("ifeval", "Chat")
    benchmark = load_benchmark(settings, files)
    requests = render(benchmark, tokenizer, 2048, chat_template=tokenizer.chat_template)
    text = "the mat is here and a cat lies on it. " * 8
    outputs = {one.id: Output(text=text * (1 + one.doc)) for one in requests}
    first = as_bytes(score(benchmark, outputs))
    random.seed(5)
    again = as_bytes(score(benchmark, dict(reversed(outputs.items()))))
    arc = load_benchmark(BenchmarkSettings("arc_easy"), task_files("arc_easy"))
    asked = render(arc, tokenizer, MAX_LENGTH)
    score(arc, {one.id: Output(float(one.number), False) for one in asked})
    assert first == again == as_bytes(score(load_benchmark(settings, files), outputs))
    state = random.getstate()
    score(benchmark, outputs)
    assert random.getstate() == state


def test_the_four_accuracies_of_ifeval(tokenizer: Any, sentence_data: None) -> None:
    benchmark = load_benchmark(
        BenchmarkSettings("ifeval"), TaskFiles("i", {"train.jsonl": lines(FOLLOWED)})
    )
    requests = render(benchmark, tokenizer, 2048)
    texts = ["Pears, apples", "the dog and the small tree\nCat, cat"]
    outputs = {one.id: Output(text=texts[one.doc]) for one in requests}
    results = score(benchmark, outputs).results["results"]["ifeval"]
    assert results["prompt_level_strict_acc,none"] == 0.0
    assert results["inst_level_strict_acc,none"] == 0.0
    # Without the last line, the second answer follows both of its instructions.
    assert results["prompt_level_loose_acc,none"] == 0.5
    assert results["inst_level_loose_acc,none"] == pytest.approx(2 / 3)


def test_the_most_likely_answer_counts(
    tokenizer: Any, task_files: Callable[[str], TaskFiles]
) -> None:
    benchmark = load_benchmark(BenchmarkSettings("arc_easy"), task_files("arc_easy"))
    requests = render(benchmark, tokenizer, MAX_LENGTH)
    outputs = {
        one.id: Output(-1.0 if one.number == one.doc % 4 and one.doc < 9 else -50.0, False)
        for one in requests
    }
    scores = score(benchmark, outputs)
    assert [item.metrics["acc"] for item in scores.items if item.doc < 9] == [1.0] * 9
    assert scores.results["n-samples"] == {"arc_easy": {"original": 12, "effective": 12}}
    assert scores.results["versions"] == {"arc_easy": 1.0}


def test_filters_are_those_of_the_task(
    tokenizer: Any, task_files: Callable[[str], TaskFiles]
) -> None:
    benchmark = load_benchmark(BenchmarkSettings("gsm8k", num_fewshot=1), task_files("gsm8k"))
    requests = render(benchmark, tokenizer, MAX_LENGTH)
    outputs = {one.id: Output(text=f"Perhaps 77, or {one.doc + 1}.") for one in requests}
    results = score(benchmark, outputs).results["results"]["gsm8k"]
    assert results["exact_match,strict-match"] == 0.0
    assert results["exact_match,flexible-extract"] == 1.0


def test_a_missing_output_is_named(tokenizer: Any, task_files: Callable[[str], TaskFiles]) -> None:
    benchmark = load_benchmark(BenchmarkSettings("arc_easy"), task_files("arc_easy"))
    with pytest.raises(ScoringError, match="request arc_easy/0/0/0: evaluate the model again"):
        score(benchmark, {})


def test_an_item_that_cannot_be_scored_is_named(
    tokenizer: Any, task_files: Callable[[str], TaskFiles]
) -> None:
    benchmark = load_benchmark(BenchmarkSettings("arc_easy"), task_files("arc_easy"))
    requests = render(benchmark, tokenizer, MAX_LENGTH)
    outputs = {one.id: Output("no number", False) for one in requests}  # type: ignore[arg-type]
    with pytest.raises(ScoringError, match="benchmark arc_easy, item 0: lm-eval cannot score"):
        score(benchmark, outputs)


def test_an_answer_of_a_collapsed_model_does_not_end_the_scoring(
    tokenizer: Any, sentence_data: None
) -> None:
    instruction = {"instruction_id_list": ["detectable_format:json_format"], "kwargs": [{}]}
    rows = [{"key": number, "prompt": "Answer in JSON.", **instruction} for number in range(2)]
    benchmark = load_benchmark(
        BenchmarkSettings("ifeval"), TaskFiles("i", {"train.jsonl": lines(rows)})
    )
    texts = ["[" * 100_000, '{"a": 1}']
    outputs = {one.id: Output(text=texts[one.doc]) for one in render(benchmark, tokenizer, 2048)}
    results = score(benchmark, outputs).results["results"]["ifeval"]
    assert results["inst_level_strict_acc,none"] == 0.5
