"""LoRA adapts the linear weights of the language model, and the share says how many of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from isheep.recipes.settings import LoraSettings
from isheep_worker.engines.causal_model import empty_model, load_model
from isheep_worker.training.adapter import save_adapter
from isheep_worker.training.targets import (
    adapted_share,
    adapted_weights,
    add_adapter,
    find_targets,
)

IDS = torch.arange(3, 43).unsqueeze(0)
LORA = LoraSettings(r=4, alpha=8, dropout=0.05, target_modules="AllLinear")


def test_a_dense_model_gets_the_adapter_that_peft_adds_to_all_linear_layers(
    tiny_model_dir: Path,
) -> None:
    base = load_model(tiny_model_dir, dtype=torch.float32)
    torch.manual_seed(3)
    adapted = add_adapter(base, LORA)
    again = load_model(tiny_model_dir, dtype=torch.float32)
    torch.manual_seed(3)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=4,
        lora_alpha=8,
        lora_dropout=0.05,
        target_modules="all-linear",
        bias="none",
    )
    expected = get_peft_model(again, lora).state_dict()
    found = adapted.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert adapted_share(tiny_model_dir) == 1


def test_the_experts_are_parameters_and_the_rest_are_linear_layers(
    architecture_dir: Callable[[str], Path],
) -> None:
    targets = find_targets(empty_model(architecture_dir("qwen3_moe")))
    assert [name for name in targets.modules if ".0." in name] == [
        f"model.layers.0.self_attn.{letter}_proj" for letter in "qkvo"
    ]
    assert [name for name in targets.parameters if ".0." in name] == [
        f"model.layers.0.mlp.experts.{name}" for name in ("gate_up_proj", "down_proj")
    ]
    assert 0.95 < targets.share < 1
    assert targets.left_out == ("model.layers.*.mlp.gate.weight",)


@pytest.mark.parametrize(
    "name", ["mixtral", "qwen2_moe", "gpt_oss", "deepseek_v3", "qwen3_5_moe", "llama4"]
)
def test_more_than_nine_tenths_of_the_linear_weights_are_adapted(
    name: str, architecture_dir: Callable[[str], Path]
) -> None:
    model = empty_model(architecture_dir(name))
    targets = find_targets(model)
    assert targets.share > 0.9
    with torch.device("meta"):
        adapted = adapted_weights(add_adapter(model, LORA))
    assert len(adapted) == len(targets.modules) + len(targets.parameters)


def test_shared_experts_and_dense_layers_with_the_names_of_experts_are_adapted(
    architecture_dir: Callable[[str], Path],
) -> None:
    model = empty_model(architecture_dir("deepseek_v3"))
    with torch.device("meta"):
        adapted = adapted_weights(add_adapter(model, LORA))
    assert "model.layers.0.mlp.gate_proj.weight" in adapted
    assert "model.layers.1.mlp.shared_experts.down_proj.weight" in adapted


@pytest.mark.parametrize("name", ["gemma3", "mistral3"])
def test_a_vision_tower_is_not_adapted(name: str, architecture_dir: Callable[[str], Path]) -> None:
    targets = find_targets(empty_model(architecture_dir(name)))
    assert len(targets.modules) == 14
    assert all(module.startswith("model.language_model.") for module in targets.modules)
    assert targets.share == 1


def test_a_weight_that_is_read_without_its_layer_is_left_out(
    architecture_dir: Callable[[str], Path],
) -> None:
    targets = find_targets(empty_model(architecture_dir("jamba")))
    assert "model.layers.0.mamba.in_proj" in targets.modules
    assert "model.layers.*.mamba.dt_proj.weight" in targets.left_out


def test_linear_layers_have_dropout_and_experts_have_none(
    architecture_dir: Callable[[str], Path],
) -> None:
    adapted = add_adapter(load_model(architecture_dir("qwen3_moe"), dtype=torch.float32), LORA)
    assert isinstance(adapted, PeftModel)
    for name, weight in adapted_weights(adapted).items():
        expected = 0.0 if "experts" in name else 0.05
        assert getattr(weight.layer.lora_dropout["default"], "p", 0.0) == expected


@pytest.mark.parametrize("name", ["qwen2_moe", "deepseek_v3"])
def test_peft_reads_the_adapter_of_a_model_with_experts(
    name: str, architecture_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    base = architecture_dir(name)
    adapted = randomized(add_adapter(load_model(base, dtype=torch.float32), LORA))
    save_adapter(adapted, tmp_path)
    fresh = PeftModel.from_pretrained(load_model(base, dtype=torch.float32), str(tmp_path))
    with torch.no_grad():
        assert torch.equal(fresh.eval()(IDS).logits, adapted.eval()(IDS).logits)


def test_the_adapter_of_a_bfloat16_model_is_in_float32(
    architecture_dir: Callable[[str], Path],
) -> None:
    adapted = add_adapter(load_model(architecture_dir("qwen3_moe"), dtype=torch.bfloat16), LORA)
    types = {value.dtype for value in adapted.parameters() if value.requires_grad}
    assert types == {torch.float32}


def test_recomputed_activations_give_the_gradients_of_kept_ones(
    architecture_dir: Callable[[str], Path],
) -> None:
    gradients = []
    for recompute in (False, True):
        model = load_model(architecture_dir("qwen3_moe"), dtype=torch.float32)
        adapted = randomized(add_adapter(model, LORA.model_copy(update={"dropout": 0.0})))
        if recompute:
            adapted.enable_input_require_grads()
            adapted.gradient_checkpointing_enable({"use_reentrant": False})
        adapted.train()(IDS, use_cache=False).logits.square().mean().backward()
        found = {name: value.grad for name, value in adapted.named_parameters()}
        gradients.append({name: grad for name, grad in found.items() if grad is not None})
    kept, recomputed = gradients
    assert kept.keys() == recomputed.keys()
    assert any("experts" in name for name in kept)
    for name, gradient in kept.items():
        assert torch.allclose(recomputed[name], gradient, atol=1e-6)
        assert gradient.any()


def randomized(model: Any) -> Any:
    """Give an adapter random values, so that it changes the logits."""
    torch.manual_seed(1)
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value.normal_(0, 0.1)
    return model
