"""The changes of an adapter are those that peft adds, and the files must have what it changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from isheep.recipes.settings import LoraSettings
from isheep_worker.engines.causal_model import empty_model, load_model
from isheep_worker.inputs.weight_files import StoredTensor, stored_tensors
from isheep_worker.training.adapted_tensors import AdapterChanges, adapted_tensors
from isheep_worker.training.adapter import ADAPTER_WEIGHTS, save_adapter
from isheep_worker.training.targets import adapted_weights, add_adapter
from isheep_worker.training.weight_layout import LayoutError, read_layout

LORA = LoraSettings(r=4, alpha=8, dropout=0.0, target_modules="AllLinear")


def on_meta(folder: Path) -> Any:
    with torch.device("meta"):
        return add_adapter(empty_model(folder), LORA)


@pytest.mark.parametrize("name", ["qwen3_moe", "gpt_oss"])
def test_the_changes_are_those_that_peft_adds(
    name: str, architecture_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    base = architecture_dir(name)
    adapted = add_adapter(load_model(base, dtype=torch.float32), LORA)
    torch.manual_seed(1)
    with torch.no_grad():
        for value in adapted.parameters():
            if value.requires_grad:
                value.normal_(0, 0.1)
    save_adapter(adapted, tmp_path)
    with safe_open(tmp_path / ADAPTER_WEIGHTS, framework="pt") as file:
        change = AdapterChanges(on_meta(base), file)
        for weight_name, weight in adapted_weights(adapted).items():
            expected = weight.layer.get_delta_weight("default")
            found = change(weight_name, None)
            assert found.shape == weight.shape
            assert (found - expected).abs().max() < 1e-6
            if found.ndim == 3:
                assert torch.equal(change(weight_name, 2), found[2:3])
        assert change("model.norm.weight", None) is None


def test_a_quantized_expert_is_named(architecture_dir: Callable[[str], Path]) -> None:
    base = architecture_dir("qwen3_moe")
    stored = stored_tensors(base / "model.safetensors")
    model = empty_model(base)
    places = read_layout(model, {name: tensor.shape for name, tensor in stored.items()})
    with torch.device("meta"):
        adapted = add_adapter(model, LORA)
    assert len(adapted_tensors(adapted, places, stored)) == 32
    name = "model.layers.1.mlp.experts.3.up_proj.weight"
    other = stored | {name: StoredTensor(0, 0, "F8_E4M3", stored[name].shape)}
    with pytest.raises(LayoutError, match=f"{name} is of type F8_E4M3"):
        adapted_tensors(adapted, places, other)
