"""An engine answers the requests of a benchmark."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.isheep_worker.evaluation.conftest import MAX_LENGTH, lines

from isheep_worker.engines.interface import Engine
from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.rendering import render
from isheep_worker.evaluation.requests import Output, RenderedRequest, Scoring
from isheep_worker.evaluation.running import run
from isheep_worker.evaluation.settings import BenchmarkSettings


def test_a_text_without_tokens_is_scored(tokenizer: Any, engine: Engine) -> None:
    requests = [RenderedRequest("t", 0, 0, 0, Scoring(()))]
    assert run(engine, requests, 0) == {"t/0/0/0": Output(0.0, True)}


def test_many_requests_keep_the_engine_busy_and_get_their_own_outputs(
    tokenizer: Any, engine: Engine
) -> None:
    rows = [
        {"question": f"{n}", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "A"}
        for n in range(90)
    ]
    files = TaskFiles("i", {"i.jsonl": lines(rows)}, is_folder=False)
    benchmark = load_benchmark(BenchmarkSettings("arc_easy"), files)
    requests = render(benchmark, tokenizer, MAX_LENGTH)
    outputs = run(engine, requests, 0)
    assert set(outputs) == {one.id for one in requests}
    assert len(requests) == 180
    alone = run(engine, requests[150:152], 0)
    for id_, output in alone.items():
        assert outputs[id_].logprob == pytest.approx(output.logprob, abs=1e-4)
