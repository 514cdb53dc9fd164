"""vLLM reads the merged files of models with experts, and gives the logits of Transformers.

The models are tiny and have random weights. Their dimensions are those that vLLM's CPU kernels
accept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from isheep.recipes.settings import LoraSettings

from ..unit.isheep_worker.tiny_architectures import write_model

IDS = list(range(3, 43))
_WIDE: dict[str, Any] = {
    "hidden_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
}


def merged_model(base: Path, folder: Path) -> Path:
    """Merge a random adapter into a model, and return the folder of the merged model."""
    import torch

    from isheep_worker.engines.causal_model import load_model
    from isheep_worker.training.adapter import save_adapter
    from isheep_worker.training.merge import merge
    from isheep_worker.training.targets import add_adapter

    settings = LoraSettings(r=4, alpha=8, dropout=0.05, target_modules="AllLinear")
    adapted = add_adapter(load_model(base, dtype=torch.float32), settings)
    torch.manual_seed(1)
    with torch.no_grad():
        for value in adapted.parameters():
            if value.requires_grad:
                value.normal_(0, 0.1)
    save_adapter(adapted, folder / "adapter")
    out = folder / "out"
    template = "{{ messages[0]['content'] }}"
    merge(folder / "adapter", base, out, chat_template=template, stop_token_ids=(2,))
    return out


def log_probabilities(model: Path) -> Any:
    """Return Transformers' log-probabilities of each token after each token of the prompt."""
    import torch

    from isheep_worker.engines.causal_model import load_model

    with torch.no_grad():
        logits = load_model(model, dtype=torch.float32).eval()(torch.tensor([IDS])).logits
    return torch.log_softmax(logits[0], -1)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mixtral", _WIDE),
        (
            "qwen2_moe",
            _WIDE | {"moe_intermediate_size": 64, "shared_expert_intermediate_size": 64},
        ),
        ("gpt_oss", _WIDE | {"head_dim": 32}),
    ],
)
def test_vllm_gives_the_logits_of_the_merged_experts(
    name: str, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    base = write_model(name, tmp_path / "base", **changes)
    merged = merged_model(base, tmp_path)
    expected, before = log_probabilities(merged), log_probabilities(base)

    from vllm import LLM, SamplingParams

    engine = LLM(
        model=str(merged),
        skip_tokenizer_init=True,
        dtype="float32",
        enforce_eager=True,
        max_model_len=128,
        max_num_seqs=4,
        max_num_batched_tokens=256,
        enable_prefix_caching=False,
        enable_chunked_prefill=False,
    )
    sampling = SamplingParams(max_tokens=1, prompt_logprobs=5, temperature=0, detokenize=False)
    (output,) = engine.generate([{"prompt_token_ids": IDS}], sampling)
    found = [
        (position - 1, token, value.logprob)
        for position, tokens in enumerate(output.prompt_logprobs)
        for token, value in (tokens or {}).items()
    ]
    assert len(found) >= 5 * (len(IDS) - 1)
    assert max(abs(expected[at, token].item() - value) for at, token, value in found) < 1e-4
    assert max(abs(before[at, token].item() - value) for at, token, value in found) > 1
