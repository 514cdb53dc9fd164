"""The vLLM engine on a real small model. All tests share one engine, because its loading is slow.

The tests are skipped if vLLM is not installed.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from isheep_worker.engines import vllm_engine
from isheep_worker.engines.interface import Completion, Engine, PromptTooLongError, Request
from isheep_worker.engines.registry import open_engine
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.templates.rubric import CONSTRAINED_ANSWER

# An import of vLLM takes seconds, and each pytest worker imports this file.
pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")

MAX_LENGTH = 512


@pytest.fixture(scope="module")
def tokenizer(smollm2_dir: Path) -> Any:
    return AutoTokenizer.from_pretrained(smollm2_dir)


@pytest.fixture(scope="module")
def engine(smollm2_dir: Path) -> Iterator[Engine]:
    before = set(psutil.Process().children(recursive=True))
    with pytest.MonkeyPatch.context() as patch:
        # A step has room for one prompt of full length, so two long prompts compete for it.
        patch.setattr(vllm_engine, "CPU_STEP_TOKENS", MAX_LENGTH)
        runtime = EngineRuntime(max_num_seqs=8, enforce_eager=True)
        engine = open_engine("VLLM", smollm2_dir, "float32", MAX_LENGTH, runtime)
    yield engine
    engine.close()
    engine.close()
    assert engine.in_flight == 0
    assert not set(psutil.Process().children(recursive=True)) - before


def request(id_: str, prompt: list[int], **fields: Any) -> Request:
    values = {"seed": 2**63 - 5, "temperature": 1.0, "top_p": 0.95, "max_tokens": 8}
    return Request(id=id_, prompt_token_ids=tuple(prompt), **{**values, **fields})


def drain(engine: Engine) -> dict[str, Completion]:
    done: list[Completion] = []
    while engine.in_flight:
        done += engine.poll()
    assert len({completion.id for completion in done}) == len(done)
    return {completion.id: completion for completion in done}


def test_requests_of_all_kinds_complete_in_one_stream(engine: Engine, tokenizer: Any):
    """One run of the engine covers all fields of a request."""
    prompt = tokenizer.encode("The capital of France is")
    count = tokenizer.encode("1 2 3 4 5 6")
    seven = tokenizer.encode("7")[-1]
    engine.submit(
        [
            request("length", prompt, max_tokens=3),
            request("greedy", prompt, temperature=0.0),
            request("string", count, temperature=0.0, stop=(" 8",)),
            request("token", count, temperature=0.0, stop_token_ids=(seven,)),
        ]
    )
    assert engine.in_flight == 4
    engine.submit([request("regex", prompt, regex=CONSTRAINED_ANSWER, max_tokens=150)])
    found = drain(engine)
    assert set(found) == {"length", "greedy", "string", "token", "regex"}
    assert (found["length"].finish_reason, found["length"].tokens) == ("length", 3)
    assert found["length"].prompt_tokens == len(prompt)
    assert found["greedy"].text.startswith(" Paris")
    assert (found["string"].text, found["string"].finish_reason) == (" 7", "stop")
    assert (found["token"].text, found["token"].finish_reason) == (" ", "stop")
    assert re.match(r"(10|[1-9])\|\|[^|\n]", found["regex"].text)


def test_a_presence_penalty_works_as_in_the_transformers_engine(
    engine: Engine, smollm2_dir: Path, tokenizer: Any
):
    prompt = tokenizer.encode("The cat sat on the mat. The cat")
    requested = [
        request(
            f"{penalty}",
            prompt,
            temperature=0.0,
            max_tokens=24,
            presence_penalty=penalty,
            logprob=penalty != 1.5,
        )
        for penalty in (0.0, 2.0, 1.5)
    ]
    other = open_engine("Transformers", smollm2_dir, "float32", MAX_LENGTH, EngineRuntime())
    engine.submit(requested)
    other.submit(requested)
    found, expected = drain(engine), drain(other)
    texts = {id_: completion.text for id_, completion in found.items()}
    assert {id_: completion.text for id_, completion in expected.items()} == texts
    assert len(set(texts.values())) == 3
    # Both sums are from the model's own probabilities, before the penalty.
    assert found["1.5"].logprob is None
    for id_ in ("0.0", "2.0"):
        assert found[id_].logprob == pytest.approx(expected[id_].logprob, abs=0.01)
    other.close()


def test_seeded_prompts_that_do_not_fit_one_step_are_completed(engine: Engine, tokenizer: Any):
    """If they were computed in chunks, they would kill the engine. Other requests are running."""
    long = [tokenizer.encode(f"{i} is a number. " * 100)[: MAX_LENGTH - 100] for i in range(3)]
    engine.submit([request(f"short{i}", tokenizer.encode(f"Tell {i}"), seed=i) for i in range(4)])
    engine.poll()
    engine.submit([request(f"long{i}", prompt, seed=i) for i, prompt in enumerate(long)])
    found = drain(engine)
    assert set(found) == {f"short{i}" for i in range(4)} | {f"long{i}" for i in range(3)}


def test_labels_have_the_probabilities_of_the_model(
    engine: Engine, tokenizer: Any, smollm2_dir: Path
):
    """They equal those of Transformers over the whole vocabulary, next to requests that sample."""
    labels = tuple(tokenizer.encode("9753102468"))
    prompts = [
        tokenizer.encode(text)
        for text in ("A digit: ", "The capital of France is", "My mark out of ten is 9. " * 20)
    ]
    scoring = [
        request(f"labels{i}", prompt, labels=labels, max_tokens=1)
        for i, prompt in enumerate(prompts)
    ]
    engine.submit([request("before", prompts[0], max_tokens=4)])
    engine.poll()
    engine.submit([*scoring, request("meanwhile", prompts[1], max_tokens=4)])
    # The prefix cache now has the tokens that were just computed; results from it are as exact.
    found = drain(engine)
    engine.submit([request("again", prompts[2], labels=labels[:2], max_tokens=1)])
    found |= drain(engine)
    assert (found["before"].tokens, found["meanwhile"].tokens) == (4, 4)
    model = AutoModelForCausalLM.from_pretrained(smollm2_dir, dtype="float32")
    for prompt, one in zip((*prompts, prompts[2]), (*scoring, None), strict=True):
        with torch.inference_mode():
            logprobs = model(input_ids=torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
        completion = found[one.id if one else "again"]
        wanted = labels if one else labels[:2]
        expected = logprobs[list(wanted)].tolist()
        assert completion.label_logprobs == pytest.approx(expected, abs=1e-3)
        assert (completion.text, completion.tokens) == ("", 0)
    assert found["again"].cached_prompt_tokens >= len(prompts[2]) - vllm_engine.CPU_BLOCK_SIZE - 1


def test_continuations_have_the_probabilities_of_the_model(
    engine: Engine, tokenizer: Any, smollm2_dir: Path
):
    """They equal those of a plain forward pass and of the Transformers engine."""
    model = AutoModelForCausalLM.from_pretrained(smollm2_dir, dtype="float32")
    other = open_engine("Transformers", smollm2_dir, "float32", MAX_LENGTH, EngineRuntime())
    question = tokenizer.encode("The capital of France is")
    texts = {"greedy": " Paris", "long": " a city that is on a river, and not far.", "odd": " fox"}
    asked = [
        request(name, question, continuation=tuple(tokenizer.encode(text)))
        for name, text in texts.items()
    ]
    asked += [
        request("whole", [1], continuation=tuple([*question] * 50)[: MAX_LENGTH - 1]),
        request("first", question, continuation=(tokenizer.encode(" Paris")[0],)),
        request("again", question * 20, continuation=(7,)),
    ]
    engine.submit([request("meanwhile", question, max_tokens=4)])
    engine.poll()
    engine.submit(asked)
    found = drain(engine)
    engine.submit([request("cached", question * 20, continuation=(8,))])
    assert drain(engine)["cached"].cached_prompt_tokens >= 10 * len(question)
    assert found.pop("meanwhile").tokens == 4
    other.submit(asked)
    others = drain(other)
    other.close()
    for one in asked:
        ids = torch.tensor([[*one.prompt_token_ids, *one.continuation]])
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[0, len(one.prompt_token_ids) - 1 : -1]
        wanted = torch.tensor(one.continuation)
        logprob = logits.double().log_softmax(-1)[torch.arange(len(wanted)), wanted].sum()
        is_greedy = bool((logits.argmax(-1) == wanted).all())
        # The engines compute each logarithm in float32, and the expected sum is in float64.
        accepted = pytest.approx(float(logprob), abs=1e-4 + 1e-5 * len(wanted))
        for completion in (found[one.id], others[one.id]):
            assert completion.continuation_logprob == accepted
            assert completion.is_greedy == is_greedy
            assert completion.continuation_tokens == len(one.continuation)
            assert completion.prompt_tokens == len(one.prompt_token_ids)
            assert (completion.text, completion.tokens) == ("", 0)
    assert {name for name, completion in found.items() if completion.is_greedy} == {
        "greedy",
        "first",
    }


def test_a_shared_beginning_is_computed_once(engine: Engine, tokenizer: Any):
    header = tokenizer.encode("A header that all prompts of a stage begin with. " * 12)
    first = request("first", [*header, *tokenizer.encode("One.")], max_tokens=1)
    engine.submit([first])
    drain(engine)
    engine.submit([request("second", [*header, *tokenizer.encode("Two.")], max_tokens=1)])
    assert drain(engine)["second"].cached_prompt_tokens >= len(header) - vllm_engine.CPU_BLOCK_SIZE


def test_a_too_long_prompt_is_refused_with_its_whole_group(engine: Engine):
    with pytest.raises(PromptTooLongError, match=r"request b: 505 prompt tokens and 8 .* 512"):
        engine.submit([request("a", [5]), request("b", [5] * 505)])
    with pytest.raises(PromptTooLongError, match=r"request b: 2 prompt tokens and 511 .* 512"):
        engine.submit([request("a", [5]), request("b", [5, 5], continuation=(5,) * 511)])
    with pytest.raises(ValueError, match="request b: the prompt is empty"):
        engine.submit([request("a", [5]), request("b", [], continuation=(5,))])
    assert engine.in_flight == 0
    assert engine.poll() == []
    assert engine.max_in_flight == 16


@pytest.mark.parametrize(
    ("length", "sequences", "bytes_"),
    [
        (1000, 2, 2 * 1032 * 2 * 4 * 3 * 64 * 30),
        (10**9, 1, (10**9 + 32) * 2 * 4 * 3 * 64 * 30),
    ],
)
def test_the_cpu_cache_holds_at_least_one_sequence_and_at_most_all(
    length: int, sequences: int, bytes_: int
):
    config = SimpleNamespace(
        num_hidden_layers=30, num_key_value_heads=3, num_attention_heads=9, head_dim=64
    )
    assert vllm_engine._cpu_cache_bytes(config, length, sequences) == bytes_
    many = vllm_engine._cpu_cache_bytes(config, 1000, 10**6)
    assert many <= vllm_engine.CPU_CACHE_LIMIT
