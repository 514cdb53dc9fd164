"""The tensors of a model's files that an adapter changes, and how it changes them.

prepare checks a model by this module and merge changes the files by it, so a model that prepare
accepts can be merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from peft import PeftModel

from isheep_worker.inputs.weight_files import StoredTensor
from isheep_worker.training.targets import AdaptedWeight, adapted_weights
from isheep_worker.training.weight_layout import LayoutError, Place, change_of_tensor

TORCH_TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
"""The types of weights that can be merged into, by their names in safetensors files."""
_MATRICES_AT_ONCE = 4


def adapted_tensors(
    adapted: PeftModel, places: Mapping[str, Place], stored: Mapping[str, StoredTensor]
) -> dict[str, Place]:
    """Return the places of the tensors that an adapter changes.

    Args:
        adapted: The model on the device `meta`, with the adapter.
        places: The places of the files' tensors in this model.
        stored: The tensors of the files.

    Raises:
        LayoutError: The files do not contain an adapted weight, contain it with another shape or
            in a quantized type, or its change cannot be assigned to the files' tensors.
    """
    weights = adapted_weights(adapted)
    changed = {
        tensor: place
        for tensor, place in places.items()
        if place.conversion.parameters.keys() & weights.keys()
    }
    found: dict[str, tuple[int, ...]] = {}
    for place in changed.values():
        found.update(place.conversion.parameters)
    for name, weight in weights.items():
        if name not in found:
            raise LayoutError(
                f"LoRA adapts {name}, which the files do not contain: they are those of another "
                "model, or the weight is tied to another weight"
            )
        if found[name] != weight.shape:
            raise LayoutError(
                f"{name} has shape {list(weight.shape)} in the model and {list(found[name])} in "
                "the files"
            )
    for tensor, place in changed.items():
        if stored[tensor].dtype not in TORCH_TYPES:
            raise LayoutError(
                f"{tensor} is of type {stored[tensor].dtype}, into which an adapter cannot be "
                "merged; use the base's float weights (BF16, F16 or F32)"
            )
        if place.position == 0:
            change_of_tensor(place, lambda name, one: _no_change(weights.get(name), one))
    return changed


class AdapterChanges:
    """The changes of a model's weights by an adapter, each computed when it is called for."""

    def __init__(self, adapted: PeftModel, file: Any) -> None:
        """Find the adapter's matrices.

        Args:
            adapted: The model on the device `meta`, with the adapter.
            file: The adapter's opened safetensors file.

        Raises:
            LayoutError: The matrices of the file are not those of the model's adapter.
        """
        self._weights = adapted_weights(adapted)
        # The matrices of a layer's experts are needed in turn, so a few of them are kept.
        self._matrix = lru_cache(_MATRICES_AT_ONCE)(lambda name: file.get_tensor(name).float())
        expected = {
            _matrix_name(weight, which): tuple(matrix["default"].weight.shape)
            for weight in self._weights.values()
            for which, matrix in (("A", weight.layer.lora_A), ("B", weight.layer.lora_B))
        }
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                raise LayoutError(
                    f"the adapter's file has {name} with shape {_text(found.get(name))}, and its "
                    f"configuration for this base expects {_text(expected.get(name))}: the adapter "
                    "belongs to another base, or its configuration was edited"
                )

    def __call__(self, name: str, position: int | None) -> Any:
        """Return the change of a weight, or of one matrix of a stack; None if there is none."""
        if name not in self._weights:
            return None
        weight = self._weights[name]
        a, b = (self._matrix(_matrix_name(weight, which)) for which in "AB")
        scale = weight.layer.scaling["default"]
        if len(weight.shape) == 2:
            delta = b @ a * scale
            # GPT-2 stores its matrices transposed.
            return delta.T if weight.layer.fan_in_fan_out else delta
        experts = weight.shape[0]
        # peft has [experts * rank, in] and [out, rank * experts].
        a, b = a.reshape(experts, -1, a.shape[1]), b.reshape(b.shape[0], -1, experts)
        if position is not None:
            a, b = a[position : position + 1], b[:, :, position : position + 1]
        delta = b.permute(2, 0, 1) @ a * scale
        is_transposed = getattr(weight.layer.get_base_layer(), "is_transposed", False)
        return delta.transpose(1, 2) if is_transposed else delta


def _matrix_name(weight: AdaptedWeight, which: str) -> str:
    return f"base_model.model.{weight.path}.lora_{which}.weight"


def _no_change(weight: AdaptedWeight | None, position: int | None) -> Any:
    """Return a change with the right shape and without values."""
    if weight is None:
        return None
    shape = weight.shape if position is None else (1, *weight.shape[1:])
    return torch.empty(shape, device="meta")


def _text(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else str(list(shape))
