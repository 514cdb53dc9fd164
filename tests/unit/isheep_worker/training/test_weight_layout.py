"""The layout has the files' tensors of each parameter, and changes are inverted into them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers.core_model_loading import Chunk, WeightConverter

from isheep_worker.engines.causal_model import empty_model
from isheep_worker.inputs.weight_files import stored_tensors, weight_files
from isheep_worker.training import weight_layout
from isheep_worker.training.weight_layout import LayoutError, Place, change_of_tensor, read_layout


def shapes_of(folder: Path) -> dict[str, tuple[int, ...]]:
    return {
        name: tensor.shape
        for file in weight_files(folder)
        for name, tensor in stored_tensors(file).items()
    }


def test_experts_have_a_tensor_each_in_the_files(architecture_dir: Callable[[str], Path]) -> None:
    folder = architecture_dir("mixtral")
    places = read_layout(empty_model(folder), shapes_of(folder))
    place = places["model.layers.1.block_sparse_moe.experts.2.w3.weight"]
    assert place.conversion.parameters == {"model.layers.1.mlp.experts.gate_up_proj": (4, 96, 32)}
    assert (place.conversion.stacks, place.position, place.shape) == (True, 2, (48, 32))


@pytest.mark.parametrize(
    ("name", "tensor", "parameter"),
    [
        (
            "gemma3",
            "language_model.model.layers.0.mlp.up_proj.weight",
            "model.language_model.layers.0.mlp.up_proj.weight",
        ),
        (
            "mistral3",
            "language_model.model.layers.0.mlp.up_proj.weight",
            "model.language_model.layers.0.mlp.up_proj.weight",
        ),
        (
            "qwen3_5",
            "model.language_model.layers.0.mlp.up_proj.weight",
            "model.layers.0.mlp.up_proj.weight",
        ),
        (
            "gpt_oss",
            "model.layers.0.mlp.experts.gate_up_proj",
            "model.layers.0.mlp.experts.gate_up_proj",
        ),
    ],
)
def test_a_language_model_has_other_names_in_the_files(
    name: str, tensor: str, parameter: str, architecture_dir: Callable[[str], Path]
) -> None:
    folder = architecture_dir(name)
    places = read_layout(empty_model(folder), shapes_of(folder))
    assert list(places[tensor].conversion.parameters) == [parameter]


def test_tensors_that_the_model_does_not_read_have_no_place(
    architecture_dir: Callable[[str], Path],
) -> None:
    folder = architecture_dir("qwen3_5")
    shapes = shapes_of(folder)
    places = read_layout(empty_model(folder), shapes)
    assert any(name.startswith("model.visual.") for name in shapes)
    assert not any(name.startswith("model.visual.") for name in places)


def test_an_expert_without_one_of_its_tensors_is_an_error(
    architecture_dir: Callable[[str], Path],
) -> None:
    folder = architecture_dir("mixtral")
    shapes = shapes_of(folder)
    del shapes["model.layers.0.block_sparse_moe.experts.0.w1.weight"]
    with pytest.raises(LayoutError, match="gate_up_proj do not fit together"):
        read_layout(empty_model(folder), shapes)


def test_a_pattern_without_tensors_is_an_error(architecture_dir: Callable[[str], Path]) -> None:
    folder = architecture_dir("mixtral")
    shapes = {name: shape for name, shape in shapes_of(folder).items() if ".w3." not in name}
    with pytest.raises(LayoutError, match="only a part of"):
        read_layout(empty_model(folder), shapes)


def test_the_change_of_a_stack_is_divided_among_its_experts(
    architecture_dir: Callable[[str], Path],
) -> None:
    folder = architecture_dir("mixtral")
    places = read_layout(empty_model(folder), shapes_of(folder))
    stem = "model.layers.0.block_sparse_moe.experts.2"
    whole = torch.randn(4, 96, 32)

    def change(name: str, position: int | None) -> torch.Tensor | None:
        assert position is not None
        is_changed = name == "model.layers.0.mlp.experts.gate_up_proj"
        return whole[position : position + 1] if is_changed else None

    gate, up = (change_of_tensor(places[f"{stem}.{w}.weight"], change) for w in ("w1", "w3"))
    assert torch.equal(gate, whole[2, :48])
    assert torch.equal(up, whole[2, 48:])
    assert change_of_tensor(places[f"{stem}.w2.weight"], change) is None


def fused(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Place:
    """Return the place of a tensor that the conversion divides into two parameters."""
    prefix = "model.layers.0.mlp"
    converter = WeightConverter(
        "mlp.gate_up.weight", ["mlp.gate_proj.weight", "mlp.up_proj.weight"], [Chunk(dim=0)]
    )
    monkeypatch.setattr(weight_layout, "get_model_conversion_mapping", lambda _: [converter])
    shapes = shapes_of(folder)
    rows, columns = shapes.pop(f"{prefix}.gate_proj.weight")
    del shapes[f"{prefix}.up_proj.weight"]
    shapes[f"{prefix}.gate_up.weight"] = (2 * rows, columns)
    return read_layout(empty_model(folder), shapes)[f"{prefix}.gate_up.weight"]


def test_a_tensor_that_becomes_two_parameters_gets_both_changes(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = fused(monkeypatch, tiny_model_dir)
    gate, up = place.conversion.parameters
    assert (gate, up) == (
        "model.layers.0.mlp.gate_proj.weight",
        "model.layers.0.mlp.up_proj.weight",
    )
    change = torch.randn(128, 64)
    one = change_of_tensor(place, lambda name, _: change if name == up else None)
    assert torch.equal(one, torch.cat([torch.zeros(128, 64), change]))


def test_a_change_of_another_shape_is_an_error(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = fused(monkeypatch, tiny_model_dir)
    with pytest.raises(LayoutError, match=r"has shape \[200, 64\] .* has shape \[256, 64\]"):
        change_of_tensor(place, lambda *_: torch.randn(100, 64))
