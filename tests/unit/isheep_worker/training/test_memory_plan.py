"""Activations are kept if they fit, and the estimate is what PyTorch really keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen2MoeConfig,
)

from isheep_worker.training.memory_plan import (
    Memory,
    ModelShape,
    layer_bytes,
    needed_bytes,
    plan_memory,
    shape_of,
)

GIB = 2**30
MASK_ON_CPU = 4  # PyTorch keeps a dropout mask in float32 on a CPU, and in bytes on a GPU.
SMALL = ModelShape(layers=30, hidden=576, attention=576, intermediate=1536, vocabulary=49152)
MEDIUM = ModelShape(layers=28, hidden=1536, attention=1536, intermediate=8960, vocabulary=151936)
LARGE = ModelShape(layers=32, hidden=4096, attention=4096, intermediate=14336, vocabulary=128256)
WEIGHTS = {SMALL: 135e6, MEDIUM: 1.54e9, LARGE: 8.03e9}


@pytest.mark.parametrize(
    ("shape", "gigabytes", "tokens", "recomputes"),
    [
        (SMALL, 24, 8192, False),
        (SMALL, 80, 8192, False),
        (SMALL, 141, 8192, False),
        (MEDIUM, 24, 2048, False),
        (MEDIUM, 80, 8192, False),
        (MEDIUM, 141, 8192, False),
        (LARGE, 24, 2048, True),
        (LARGE, 80, 4096, False),
        (LARGE, 141, 8192, False),
    ],
)
def test_the_plan_for_models_of_135m_1_5b_and_8b_in_bfloat16_with_rows_of_1024_tokens(
    shape: ModelShape, gigabytes: int, tokens: int, recomputes: bool
) -> None:
    memory = Memory(free=int(gigabytes * 1e9 - 2 * WEIGHTS[shape]))
    plan = plan_memory(shape, memory, longest=1024, most=8192)
    assert (plan.tokens_at_once, plan.recomputes) == (tokens, recomputes)


def test_an_attempt_after_exhausted_memory_computes_activations_twice_although_they_fit() -> None:
    plan = plan_memory(
        SMALL, Memory(free=100 * GIB), longest=1024, most=4096, always_recompute=True
    )
    assert (plan.tokens_at_once, plan.recomputes) == (4096, True)


def test_what_needs_memory_besides_activations_counts() -> None:
    free = int(1.2 * needed_bytes(MEDIUM, Memory(0), 2048, 2, recomputes=False))
    assert not plan_memory(MEDIUM, Memory(free), longest=1024, most=2048).recomputes
    for other in ("rebuilt", "gathered"):
        memory = Memory(free, **{other: free // 8})
        assert plan_memory(MEDIUM, memory, longest=1024, most=2048).recomputes, other
    # Adam and the gradient need 16 bytes for each element of the adapter.
    assert plan_memory(MEDIUM, Memory(free, free // 128), longest=1024, most=2048).recomputes


def test_a_row_is_never_divided_and_without_memory_each_row_is_alone() -> None:
    tight = plan_memory(MEDIUM, Memory(1), longest=1500, most=8192)
    assert (tight.tokens_at_once, tight.recomputes) == (1500, True)
    # One row of 16,384 tokens decides, although the limit for packing is lower.
    long = plan_memory(SMALL, Memory(20 * GIB), longest=16_384, most=8192)
    assert (long.tokens_at_once, long.recomputes) == (8192, True)
    alone = plan_memory(SMALL, Memory(20 * GIB), longest=1024, most=0)
    assert (alone.tokens_at_once, alone.recomputes) == (0, False)


def test_attention_that_holds_all_scores_grows_with_the_square_of_the_tokens() -> None:
    eager = ModelShape(30, 576, 576, 1536, 49152, scores=9)
    plan = plan_memory(eager, Memory(20 * GIB), longest=1024, most=8192)
    assert (plan.tokens_at_once, plan.recomputes) == (2048, False)


def kept_bytes(config: Any, tokens: int, dtype: Any, recompute: bool) -> int:
    """Return the bytes that PyTorch keeps for the backward pass, without weights and logits."""
    model = get_peft_model(
        AutoModelForCausalLM.from_config(config, dtype=dtype),
        LoraConfig(task_type="CAUSAL_LM", r=2, lora_dropout=0.05, target_modules="all-linear"),
    ).train()
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    if recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16),
    ):
        ids = torch.randint(0, config.vocab_size, (1, tokens))
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits
    assert logits.requires_grad
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("hidden", "intermediate", "heads", "size"), [(64, 512, 4, 16), (96, 256, 6, 32)]
)
def test_the_estimate_is_what_pytorch_keeps(
    hidden: int, intermediate: int, heads: int, size: int, dtype: Any
) -> None:
    def config(layers: int) -> Any:
        return LlamaConfig(
            hidden_size=hidden,
            intermediate_size=intermediate,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=2,
            head_dim=size,
            vocab_size=100,
        )

    tokens = 256
    three, one = (kept_bytes(config(n), tokens, dtype, recompute=False) for n in (3, 1))
    found = (three - one) / 2 / tokens
    estimated = layer_bytes(shape_of(config(1)), dtype.itemsize, MASK_ON_CPU)
    assert estimated == pytest.approx(found, rel=0.08)
    again = [kept_bytes(config(n), tokens, dtype, recompute=True) for n in (3, 1)]
    assert (again[0] - again[1]) / 2 / tokens == hidden * dtype.itemsize


QWEN2 = {
    "vocab_size": 151936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
}


def test_the_shape_of_a_dense_model() -> None:
    assert shape_of(Qwen2Config(**QWEN2)) == MEDIUM
    assert shape_of(Qwen2Config(**QWEN2, attn_implementation="eager")).scores == 12
    wide = shape_of(MistralConfig(hidden_size=512, num_attention_heads=8, head_dim=128))
    assert wide.attention == 1024
    # GPT-2 names its sizes in another way, and leaves one out.
    gpt2 = ModelShape(layers=12, hidden=768, attention=768, intermediate=3072, vocabulary=50257)
    assert shape_of(GPT2Config()) == gpt2


def test_the_experts_that_a_token_uses_count_with_their_inputs() -> None:
    experts = Qwen2MoeConfig(
        **QWEN2,
        num_experts_per_tok=4,
        moe_intermediate_size=1408,
        shared_expert_intermediate_size=5632,
    )
    assert shape_of(experts).intermediate == 4 * (1408 + 1536) + 5632
