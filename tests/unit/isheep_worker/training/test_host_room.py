"""The memory of the host that a training needs, from the sizes of the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isheep.recipes.settings import LoraSettings, TrainSettings
from isheep_worker.training import host_room
from isheep_worker.training.host_room import RESERVE, host_bytes
from isheep_worker.training.memory_plan import Memory

MIB = 1024**2


def settings(**changes: Any) -> TrainSettings:
    fields: dict[str, Any] = {
        "base_model": "",
        "chat_format": "",
        "dtype": "float32",
        "random_seed": 0,
        "prompt_format": "Raw",
        "templates": "",
        "max_samples": None,
        "validation_share": 0.1,
        "effective_batch_size": 16,
        "num_train_epochs": 1,
        "learning_rate": 5e-5,
        "warmup_steps": 0,
        "max_length": 1024,
        "lora": LoraSettings(r=8, alpha=16, dropout=0.05, target_modules="AllLinear"),
    }
    return TrainSettings(**fields | changes)


def test_a_training_on_a_cpu_needs_its_weights_and_activations(smollm2_dir: Path) -> None:
    needed = host_bytes(smollm2_dir, settings(), on_gpu=False)
    weights = 4 * 134_515_008
    # 2,048 tokens: 30 layers with 70 KB for each token, and logits with 1 MB.
    activations = 2048 * (30 * 70_000 + 1_000_000)
    assert 0.8 * activations < needed - RESERVE - weights < 1.2 * activations
    longer = host_bytes(smollm2_dir, settings(max_length=4096), on_gpu=False)
    assert 0.8 * activations < longer - needed < 1.2 * activations


def test_a_training_on_a_gpu_needs_the_weights_of_the_engine_that_sleeps(
    smollm2_dir: Path,
) -> None:
    needed = host_bytes(smollm2_dir, settings(dtype="bfloat16"), on_gpu=True)
    assert needed == RESERVE + 2 * 134_515_008


def test_the_optimizer_and_the_sums_of_experts_count(
    tiny_model_dir: Path, architecture_dir: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Memory] = []
    needed = host_room.needed_bytes

    def recorded(shape: Any, memory: Memory, *arguments: Any, **named: Any) -> int:
        found.append(memory)
        return needed(shape, memory, *arguments, **named)

    monkeypatch.setattr(host_room, "needed_bytes", recorded)
    wide = LoraSettings(r=64, alpha=16, dropout=0.05, target_modules="AllLinear")
    host_bytes(tiny_model_dir, settings(), on_gpu=False)
    host_bytes(tiny_model_dir, settings(lora=wide), on_gpu=False)
    host_bytes(architecture_dir("mixtral"), settings(), on_gpu=False)
    narrow, wider, experts = found
    assert wider.trained == 8 * narrow.trained > 0
    assert (narrow.rebuilt, wider.rebuilt) == (0, 0)
    file = architecture_dir("mixtral") / "model.safetensors"
    assert 0.9 * file.stat().st_size < experts.rebuilt < file.stat().st_size
