"""peft's automatic classes find the base of an adapter by the name in its configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from peft import AutoPeftModelForCausalLM, LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from isheep_worker.training.adapter import ADAPTER_CONFIG, save_adapter
from isheep_worker.training.base_name import name_base


@pytest.fixture
def adapter(tiny_model_dir: Path, tmp_path: Path) -> Path:
    base = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    lora = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
    folder = tmp_path / "adapter"
    save_adapter(get_peft_model(base, lora), folder)
    return folder


def config(adapter: Path) -> dict[str, Any]:
    return json.loads((adapter / ADAPTER_CONFIG).read_text())


def test_the_base_on_the_hub_is_named_with_its_commit(adapter: Path) -> None:
    before = config(adapter)
    name_base(adapter, "hf://org/tiny", "abc")
    assert config(adapter) == {
        **before,
        "base_model_name_or_path": "org/tiny",
        "revision": "abc",
    }


@pytest.mark.parametrize("uri", ["file:///home/me/tiny", "s3://bucket/tiny", "/models/tiny"])
def test_another_location_is_not_written(adapter: Path, uri: str) -> None:
    before = config(adapter)
    name_base(adapter, uri, None)
    assert config(adapter) == before


def test_the_automatic_class_of_peft_loads_base_and_adapter(
    adapter: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name on the hub is a folder relative to the working directory, so no hub is needed."""
    (adapter.parent / "org").mkdir()
    (adapter.parent / "org/tiny").symlink_to(tiny_model_dir)
    monkeypatch.chdir(adapter.parent)
    name_base(adapter, "hf://org/tiny", None)
    model = AutoPeftModelForCausalLM.from_pretrained(str(adapter))
    assert model.peft_config["default"].base_model_name_or_path == "org/tiny"
