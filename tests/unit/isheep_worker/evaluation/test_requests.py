"""Rendered requests have a digest, survive JSON, and become requests of an engine."""

from __future__ import annotations

import dataclasses
import json

import pytest

from isheep_worker.engines.interface import Completion
from isheep_worker.evaluation.requests import (
    Generation,
    Output,
    RenderedRequest,
    Scoring,
    Window,
    engine_requests,
    longest_length,
    output_of,
    request_of,
    request_row,
    requests_digest,
)

SCORED = RenderedRequest("t", 3, 1, 0, Scoring((Window((1, 2), (3,)), Window((3,), (4, 5))), 2))
WRITTEN = RenderedRequest("t", 3, 0, 1, Generation((1, 2, 3), 9, 0.5, 0.9, ("\n",), (7,)))


@pytest.mark.parametrize("request_", [SCORED, WRITTEN])
def test_a_request_survives_json(request_: RenderedRequest) -> None:
    assert request_of(json.loads(json.dumps(request_row(request_)))) == request_


def test_the_digest_depends_on_everything() -> None:
    digests = {
        requests_digest(requests)
        for requests in (
            [SCORED, WRITTEN],
            [WRITTEN, SCORED],
            [SCORED],
            [dataclasses.replace(SCORED, doc=4), WRITTEN],
            [SCORED, dataclasses.replace(WRITTEN, work=dataclasses.replace(WRITTEN.work, stop=()))],
        )
    }
    assert len(digests) == 5
    assert requests_digest(iter([SCORED, WRITTEN])) in digests


def test_each_window_is_a_request_of_the_engine() -> None:
    first, second = engine_requests(SCORED, 0)
    assert (first.id, first.prompt_token_ids, first.continuation) == ("t/3/1/0#0", (1, 2), (3,))
    assert (second.id, second.prompt_token_ids, second.continuation) == ("t/3/1/0#1", (3,), (4, 5))
    (text,) = engine_requests(WRITTEN, 0)
    assert (text.max_tokens, text.temperature, text.top_p) == (9, 0.5, 0.9)
    assert (text.stop, text.stop_token_ids, text.continuation) == (("\n",), (7,), ())
    assert longest_length([SCORED, WRITTEN]) == 12
    assert longest_length([]) == 0


def test_seeds_differ_between_repeats_and_seeds_of_the_evaluation() -> None:
    other = dataclasses.replace(WRITTEN, repeat=2)
    seeds = {engine_requests(one, seed)[0].seed for one in (WRITTEN, other) for seed in (0, 1)}
    assert len(seeds) == 4


def test_an_output_is_the_sum_of_its_windows_or_a_text() -> None:
    def scored(logprob: float, is_greedy: bool) -> Completion:
        return Completion("x", "", "stop", 1, 0, 0, (), 1, logprob, is_greedy)

    assert output_of(SCORED, [scored(-1.0, True), scored(-2.5, False)]) == Output(-3.5, False)
    assert output_of(SCORED, [scored(-1.0, True), scored(-2.5, True)]) == Output(-3.5, True)
    assert output_of(WRITTEN, [Completion("x", "a text", "stop", 3, 2)]) == Output(text="a text")
