"""Adapters in vLLM on a real small model give the same answers as merged weights.

Transformers answers with the merged weights, because a second engine would take longer to load.
`test_vllm_engine.py` compares the two engines on the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from isheep_worker.engines.adapter import Adapter, AdapterError, read_adapter
from isheep_worker.engines.interface import Completion, Engine, Request
from isheep_worker.engines.registry import open_engine
from isheep_worker.engines.runtime import EngineRuntime

# An import of vLLM takes seconds, and each pytest worker imports this file.
pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")

MAX_LENGTH = 256
ANSWER_TOKENS = 16
NEAR_TIE = 0.01
"""A difference of logits whose sign may change with the order of additions."""
QUESTIONS = ("What is the capital of France?", "Name three fruits.", "Write a greeting.")


def train_adapter(base: Path, out: Path, tokenizer: Any) -> Path:
    """Train an adapter for a few steps on answers that the base never gives."""
    from isheep.recipes.settings import LoraSettings, TrainSettings
    from isheep_worker.training.dataset import Sample, collect_rows, split_rows
    from isheep_worker.training.machine import Machine
    from isheep_worker.training.sft import train

    samples = [
        Sample(number, ids(tokenizer, question), tokenizer.encode(" Wool, said the sheep.\n"))
        for number, question in enumerate(QUESTIONS * 4)
    ]
    settings = TrainSettings(
        base_model="",
        chat_format="",
        dtype="float32",
        random_seed=0,
        prompt_format="Raw",
        templates="",
        max_samples=None,
        validation_share=0.0,
        effective_batch_size=3,
        num_train_epochs=1,
        learning_rate=5e-3,
        warmup_steps=0,
        max_length=MAX_LENGTH,
        lora=LoraSettings(r=8, alpha=16, dropout=0.0, target_modules="AllLinear"),
    )

    class NoCheckpoints:
        def latest(self) -> None:
            return None

    train(
        settings,
        split_rows(collect_rows(samples, MAX_LENGTH)[0], ()),
        seed=1,
        base=base,
        out=out,
        machine=Machine(device="cpu"),
        checkpoints=NoCheckpoints(),
        stop=lambda: False,
        progress=lambda *_: None,
    )
    return out


def ids(tokenizer: Any, question: str) -> list[int]:
    return tokenizer.encode(f"Question: {question}\nAnswer:")


def opened(folder: Path, rank: int) -> Engine:
    runtime = EngineRuntime(max_num_seqs=8, enforce_eager=True)
    return open_engine("VLLM", folder, "float32", MAX_LENGTH, runtime, max_adapter_rank=rank)


def answers(engine: Engine, prompts: Sequence[list[int]], round_name: str) -> list[Completion]:
    engine.submit(
        [
            Request(f"{round_name}{i}", tuple(p), i, 0.0, 1.0, ANSWER_TOKENS)
            for i, p in enumerate(prompts)
        ]
    )
    done: list[Completion] = []
    while engine.in_flight:
        done += engine.poll()
    return sorted(done, key=lambda completion: completion.id)


def greedy(model: Any, tokenizer: Any, prompt: list[int], tokens: int) -> str:
    """Return the most probable continuation of a prompt, by Transformers."""
    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(tokens):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return tokenizer.decode(ids[len(prompt) :])


def agree(model: Any, tokenizer: Any, prompt: list[int], one: str, other: str) -> bool:
    """Return whether two greedy texts are equal, or first differ at a near tie of the logits."""
    left, right = (tokenizer.encode(text) for text in (one, other))
    for position, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            with torch.inference_mode():
                logits = model(torch.tensor([[*prompt, *left[:position]]])).logits[0, -1]
            return bool((logits[a] - logits[b]).abs() < NEAR_TIE)
    return len(left) == len(right)


def test_an_adapter_on_the_base_answers_like_merged_weights(
    smollm2_dir: Path, merged_of: Any, adapter_of: Any, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2_dir)
    prompts = [ids(tokenizer, question) for question in QUESTIONS]
    adapter = read_adapter("trained", train_adapter(smollm2_dir, tmp_path / "a", tokenizer))
    merged = merged_of(adapter.folder, smollm2_dir, tmp_path / "merged")

    engine = opened(smollm2_dir, adapter.rank)
    rounds = {}
    for name, served in (("base", None), ("adapter", adapter), ("again", None), ("last", adapter)):
        engine.adapt(served)
        rounds[name] = answers(engine, prompts, name)
        # On a CPU, the engine keeps its memory during a training.
        assert engine.sleep()
        engine.wake()
    wide = adapter_of(smollm2_dir, tmp_path / "wide", seed=1, rank=9)
    with pytest.raises(AdapterError, match=r"set training\.handover: Merged"):
        engine.adapt(Adapter("wide", wide, 9))
    engine.close()

    texts = {name: [completion.text for completion in found] for name, found in rounds.items()}
    assert all(ours != theirs for ours, theirs in zip(texts["adapter"], texts["base"], strict=True))
    # The adapter does not use cached prefixes of the base, nor the base those of the adapter.
    assert texts["again"] == texts["base"]
    assert texts["last"] == texts["adapter"]
    model = AutoModelForCausalLM.from_pretrained(merged, dtype="float32").eval()
    for prompt, served in zip(prompts, texts["adapter"], strict=True):
        whole = greedy(model, tokenizer, prompt, ANSWER_TOKENS)
        assert agree(model, tokenizer, prompt, served, whole), (served, whole)
