"""prepare refuses what training or merge could not do, and warns about what LoRA leaves out."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from isheep.api.run import SelfAlignmentRunSpec
from isheep_worker.engines import causal_model
from isheep_worker.engines.causal_model import empty_model
from isheep_worker.engines.registry import ENGINES, Capability
from isheep_worker.inputs.model_files import ModelFilesError
from isheep_worker.preparation import adaptation
from isheep_worker.preparation.adaptation import check_adapted_weights, check_adapter
from isheep_worker.runtime.errors import BadInputError


def spec(**fields: Any) -> SelfAlignmentRunSpec:
    run = {"recipe": "ISheep", "iterations": 2, "model": {"storageUri": "file:///model"}}
    return SelfAlignmentRunSpec.model_validate(run | fields)


def edited(folder: Path, out: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Copy a model and change its tensors."""
    shutil.copytree(folder, out)
    tensors = load_file(out / "model.safetensors")
    edit(tensors)
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    return out


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe", "deepseek_v3", "gemma3", "qwen3_5"])
def test_a_model_that_can_be_trained_and_merged_is_accepted(
    name: str,
    architecture_dir: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[Path] = []

    def counting(folder: Path) -> Any:
        built.append(folder)
        return empty_model(folder)

    monkeypatch.setattr(causal_model, "empty_model", counting)
    found = check_adapter(spec(), architecture_dir(name))
    assert found.share > adaptation.LEAST_SHARE
    assert not found.is_simple
    check_adapted_weights(found, architecture_dir(name))
    assert not caplog.records
    # To build a large model takes seconds.
    assert built == [architecture_dir(name)]


def test_an_architecture_that_peft_cannot_adapt_is_refused_without_its_weights(
    architecture_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    shutil.copy(architecture_dir("mamba") / "config.json", tmp_path)
    with pytest.raises(ModelFilesError, match=r"out_proj.*docs/reference/models\.md"):
        check_adapter(spec(), tmp_path)


def test_a_weight_that_the_files_lack_is_named(
    architecture_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    name = "model.layers.1.self_attn.v_proj.weight"
    base = edited(architecture_dir("qwen3_moe"), tmp_path / "m", lambda found: found.pop(name))
    with pytest.raises(ModelFilesError, match=f"{name}, which the files do not contain"):
        check_adapted_weights(check_adapter(spec(), base), base)


def test_experts_of_another_shape_are_named(
    architecture_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    def drop_last_expert(tensors: dict[str, Any]) -> None:
        for name in [name for name in tensors if ".experts.3." in name]:
            del tensors[name]

    base = edited(architecture_dir("qwen3_moe"), tmp_path / "m", drop_last_expert)
    with pytest.raises(ModelFilesError, match=r"has shape \[4, .* in the model and \[3, .*files"):
        check_adapted_weights(check_adapter(spec(), base), base)


def test_a_low_share_is_a_warning_with_the_names_that_are_left_out(
    architecture_dir: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(
        "isheep_worker.training.targets._holds_experts", lambda _module, _weight: False
    )
    found = check_adapter(spec(), architecture_dir("qwen3_moe"))
    assert found.share < 0.5
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "training.lora.targetModules: AllLinear adapts" in record.getMessage()
    assert "model.layers.*.mlp.experts.gate_up_proj" in record.getMessage()


@pytest.mark.parametrize("name", ["qwen3_moe", "gemma3"])
def test_vllm_is_not_asked_to_serve_an_adapter_that_it_cannot_serve(
    name: str, architecture_dir: Callable[[str], Path]
) -> None:
    training = {"handover": "Adapter"}
    with pytest.raises(BadInputError, match=r"set training\.handover: Merged"):
        check_adapter(spec(training=training), architecture_dir(name))
    # M(1) of a single iteration is stored but not served.
    check_adapter(spec(training=training, iterations=1), architecture_dir(name))
    check_adapter(spec(training=training, engine={"type": "Transformers"}), architecture_dir(name))


def test_the_adapter_of_a_dense_model_is_served(tiny_model_dir: Path) -> None:
    found = check_adapter(spec(training={"handover": "Adapter"}), tiny_model_dir)
    assert (found.share, found.left_out, found.is_simple) == (1, (), True)
    assert Capability.ALL_ADAPTERS not in ENGINES["VLLM"].capabilities
