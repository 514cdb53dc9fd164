"""One vLLM engine on the real small model: loading it is what costs, so all tests share it.

Needs vLLM, which is an engine of its own choice: without it there is nothing to test.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from transformers import AutoTokenizer

from isheep_worker.engines.interface import Completion, Engine, PromptTooLongError, Request
from isheep_worker.engines.registry import open_engine
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.templates.rubric import CONSTRAINED_ANSWER

pytest.importorskip("vllm", reason="vLLM is not installed")
from isheep_worker.engines import vllm_engine

MAX_LENGTH = 512


@pytest.fixture(scope="module")
def tokenizer(smollm2_dir: Path) -> Any:
    return AutoTokenizer.from_pretrained(smollm2_dir)


@pytest.fixture(scope="module")
def engine(smollm2_dir: Path) -> Iterator[Engine]:
    before = set(psutil.Process().children(recursive=True))
    with pytest.MonkeyPatch.context() as patch:
        # A step takes one prompt of full length and no more: two long ones compete for it.
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


def test_completes_a_stream(engine: Engine, tokenizer: Any):
    """One engine run for everything that a request can ask."""
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


def test_survives_seeded_prompts_that_do_not_fit_one_step(engine: Engine, tokenizer: Any):
    """Computed in chunks, they would kill the engine; others are in flight meanwhile."""
    long = [tokenizer.encode(f"{i} is a number. " * 100)[: MAX_LENGTH - 100] for i in range(3)]
    engine.submit([request(f"short{i}", tokenizer.encode(f"Tell {i}"), seed=i) for i in range(4)])
    engine.poll()
    engine.submit([request(f"long{i}", prompt, seed=i) for i, prompt in enumerate(long)])
    found = drain(engine)
    assert set(found) == {f"short{i}" for i in range(4)} | {f"long{i}" for i in range(3)}


def test_shared_beginnings_are_computed_once(engine: Engine, tokenizer: Any):
    header = tokenizer.encode("A header that all prompts of a stage begin with. " * 12)
    first = request("first", [*header, *tokenizer.encode("One.")], max_tokens=1)
    engine.submit([first])
    drain(engine)
    engine.submit([request("second", [*header, *tokenizer.encode("Two.")], max_tokens=1)])
    assert drain(engine)["second"].cached_prompt_tokens >= len(header) - vllm_engine.CPU_BLOCK_SIZE


def test_too_long_a_prompt_is_refused_and_nothing_of_its_group_is_queued(engine: Engine):
    with pytest.raises(PromptTooLongError, match=r"request b: 505 prompt tokens and 8 .* 512"):
        engine.submit([request("a", [5]), request("b", [5] * 505)])
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
def test_the_cpu_cache_holds_a_sequence_at_least_and_all_at_most(
    length: int, sequences: int, bytes_: int
):
    config = SimpleNamespace(
        num_hidden_layers=30, num_key_value_heads=3, num_attention_heads=9, head_dim=64
    )
    assert vllm_engine._cpu_cache_bytes(config, length, sequences) == bytes_
    many = vllm_engine._cpu_cache_bytes(config, 1000, 10**6)
    assert many <= vllm_engine.CPU_CACHE_LIMIT
