"""Models are loaded with the class and the attention that their architecture needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from isheep_worker.engines.causal_model import empty_model, load_model


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("mistral3", "Mistral3ForConditionalGeneration"),
        ("gemma3", "Gemma3ForConditionalGeneration"),
        ("qwen3_5", "Qwen3_5ForCausalLM"),
    ],
)
def test_a_model_that_reads_images_too_continues_texts(
    name: str, class_name: str, architecture_dir: Callable[[str], Path]
) -> None:
    model = load_model(architecture_dir(name), dtype=torch.float32)
    assert type(model).__name__ == type(empty_model(architecture_dir(name))).__name__ == class_name
    with torch.no_grad():
        assert model(torch.arange(3, 13).unsqueeze(0)).logits.isfinite().all()


def test_attention_scores_stay_bounded(
    architecture_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    bounded = load_model(architecture_dir("gemma2"), dtype=torch.float32)
    assert bounded.config._attn_implementation == "eager"
    shutil.copytree(architecture_dir("gemma2"), tmp_path / "tight")
    path = tmp_path / "tight/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"attn_logit_softcapping": 0.01}))
    tight = load_model(tmp_path / "tight", dtype=torch.float32)
    ids = torch.arange(3, 43).unsqueeze(0)
    with torch.no_grad():
        assert (bounded(ids).logits - tight(ids).logits).abs().max() > 1e-3


def test_an_empty_model_has_the_parameters_of_the_loaded_one(tiny_model_dir: Path) -> None:
    empty = empty_model(tiny_model_dir).state_dict()
    loaded = load_model(tiny_model_dir, dtype=torch.float32).state_dict()
    assert {name: value.shape for name, value in empty.items()} == {
        name: value.shape for name, value in loaded.items()
    }
    assert all(value.device.type == "meta" for value in empty.values())


def test_a_model_that_does_not_continue_texts_is_refused(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model_dir, tmp_path / "model")
    path = tmp_path / "model/config.json"
    path.write_text(json.dumps({"model_type": "vit", "architectures": ["ViTModel"]}))
    with pytest.raises(ValueError, match="no class that continues texts for model_type 'vit'"):
        empty_model(tmp_path / "model")
