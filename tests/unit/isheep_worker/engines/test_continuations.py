"""Continuations in the Transformers engine: their scores are those of the plain model."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, MistralConfig

from isheep_worker.engines.continuations import (
    LOGITS_AT_ONCE,
    ContinuationBatch,
    continuation_batches,
)
from isheep_worker.engines.interface import Completion, Engine, PromptTooLongError, Request
from isheep_worker.engines.registry import ENGINES, Capability, open_engine
from isheep_worker.engines.runtime import EngineRuntime

MAX_LENGTH = 2600
CONFIG = MistralConfig(sliding_window=None)
SLIDING = MistralConfig(sliding_window=16)
QUESTION = tuple(range(10, 90))


def asked(id_: str, prompt: Sequence[int], continuation: Sequence[int]) -> Request:
    return Request(id_, tuple(prompt), 0, 1.0, 1.0, 1, continuation=tuple(continuation))


def drained(engine: Engine, group: list[Request]) -> dict[str, Completion]:
    engine.submit(group)
    done: list[Completion] = []
    while engine.in_flight:
        done += engine.poll()
    return {completion.id: completion for completion in done}


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> Iterator[Engine]:
    runtime = EngineRuntime(batch_size=4)
    engine = open_engine("Transformers", tiny_model_dir, "float32", MAX_LENGTH, runtime)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype="float32")


def scores(model: Any, request: Request) -> tuple[float, bool]:
    """The log-probability of a continuation and its greedy flag, token by token."""
    ids = torch.tensor([request.prompt_token_ids + request.continuation])
    with torch.inference_mode():
        logprobs = model(input_ids=ids).logits[0].double().log_softmax(-1)
    positions = range(len(request.prompt_token_ids) - 1, ids.shape[1] - 1)
    found = [(logprobs[i, ids[0, i + 1]], logprobs[i].argmax() == ids[0, i + 1]) for i in positions]
    return float(sum(value for value, _ in found)), all(bool(best) for _, best in found)


def greedy(model: Any, prompt: Sequence[int], tokens: int) -> tuple[int, ...]:
    ids = list(prompt)
    for _ in range(tokens):
        with torch.inference_mode():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return tuple(ids[len(prompt) :])


def test_continuations_have_the_probabilities_of_the_model(engine: Engine, model: Any):
    """Answers to one question, other prompts, greedy and long ones, next to a text and labels."""
    best = greedy(model, QUESTION, 3)
    questions = [
        asked("greedy", QUESTION, best),
        asked("nearly greedy", QUESTION, (*best[:2], best[2] + 1)),
        asked("one token", QUESTION, (7,)),
        asked("long answer", QUESTION, range(100, 160)),
        asked("after a cut", QUESTION, (300, 301)),
        asked("one token before it", (1,), (5, 6, 7)),
        asked("short", (1, 2, 3), (5, 6)),
        asked("long prompt", [i % 300 for i in range(1500)], (5, 6, 7)),
        asked("long continuation", (1,), [i % 300 for i in range(MAX_LENGTH - 1)]),
    ]
    text = dataclasses.replace(questions[0], id="text", continuation=(), max_tokens=4)
    labels = dataclasses.replace(questions[0], id="labels", continuation=(), labels=(5, 6))
    found = drained(engine, [text, *questions, labels])
    assert set(found) == {request.id for request in (text, *questions, labels)}
    assert found["text"].tokens == 4
    assert len(found["labels"].label_logprobs) == 2
    for request in questions:
        completion = found[request.id]
        logprob, is_greedy = scores(model, request)
        assert completion.continuation_logprob == pytest.approx(logprob, abs=1e-4, rel=1e-6)
        assert completion.is_greedy == is_greedy
        assert completion.continuation_tokens == len(request.continuation)
        assert completion.prompt_tokens == len(request.prompt_token_ids)
        assert (completion.text, completion.tokens, completion.label_logprobs) == ("", 0, ())
    assert [id_ for id_, completion in found.items() if completion.is_greedy] == ["greedy"]
    assert found["text"].continuation_logprob is None


def test_a_group_has_the_same_scores_in_each_run(engine: Engine):
    group = [asked(str(i), range(1, 2 + 30 * i), range(9, 12 + i)) for i in range(9)]
    assert drained(engine, group) == drained(engine, group)


def test_a_prompt_must_fit_with_its_continuation(engine: Engine):
    fits = asked("fits", (1, 2), (5,))
    with pytest.raises(PromptTooLongError, match="request b: 2 prompt tokens and 2599 more"):
        engine.submit([fits, asked("b", (1, 2), [5] * (MAX_LENGTH - 1))])
    with pytest.raises(ValueError, match="request c: the prompt is empty"):
        engine.submit([fits, asked("c", (), (5,))])
    assert engine.in_flight == 0


def cut(requests: list[Request], *, config: Any = CONFIG, free: int = 0) -> list[list[str]]:
    batches = continuation_batches(requests, 4, config, free)
    return [[request.id for request in batch] for batch in batches]


def test_answers_to_one_question_are_one_batch():
    answers = [asked(f"{q}{a}", (q, *QUESTION), range(a + 1)) for q in range(2) for a in range(3)]
    assert cut(answers) == [["00", "01", "02"], ["10", "11", "12"]]
    # Nothing is shared with sliding windows, so the rows of another question cost the same.
    assert cut(answers, config=SLIDING) == [["00", "01", "02", "10"], ["11", "12"]]


def test_answers_of_one_token_are_one_row():
    letters = [asked(f"{q}{a}", (q, *QUESTION), (a,)) for q in range(2) for a in range(9)]
    assert cut(letters) == [[letter.id for letter in letters]]
    seen = []

    class Model:
        config = CONFIG
        device = "cpu"

        def __call__(self, *, input_ids: torch.Tensor, **_: Any) -> Any:
            seen.append(tuple(input_ids.shape))
            return SimpleNamespace(logits=torch.zeros(*input_ids.shape, 400))

    assert len(ContinuationBatch(Model(), letters).step()) == 18
    assert seen == [(2, len(QUESTION) + 1)]


def test_equal_inputs_may_have_other_prompts(engine: Engine, model: Any):
    """A part of the prompt of one request is the continuation of the other one."""
    first, second = asked("first", QUESTION, (7,)), asked("second", QUESTION[:70], QUESTION[70:])
    second = dataclasses.replace(second, continuation=(*second.continuation, 7))
    other = asked("other", QUESTION[:75], (5, 6))
    found = drained(engine, [first, second, other])
    for request in (first, second, other):
        logprob, _ = scores(model, request)
        assert found[request.id].continuation_logprob == pytest.approx(logprob, abs=1e-4, rel=1e-6)


def test_a_batch_has_a_limited_number_of_rows_and_logits():
    rows = [asked(str(i), (*QUESTION, i), (5,)) for i in range(6)]
    assert cut(rows) == [["0", "1", "2", "3"], ["4", "5"]]
    long = [asked(str(i), (*QUESTION, i), [5] * (LOGITS_AT_ONCE // 2)) for i in range(3)]
    assert cut(long) == [["0", "1"], ["2"]]
    assert cut(long, free=10**6) == [["0", "1"], ["2"]]


def test_padding_that_costs_less_than_a_pass_cuts_no_batch():
    lengths = [asked(str(i), [i] * (60 * i + 60), (5,)) for i in range(4)]
    assert cut(lengths) == [["0", "1"], ["2", "3"]]
    assert cut(lengths, free=540) == [["0", "1", "2"], ["3"]]


def test_no_requests_have_no_batches():
    assert cut([]) == []


def test_all_engines_score_continuations():
    assert all(Capability.CONTINUATION in engine.capabilities for engine in ENGINES.values())
