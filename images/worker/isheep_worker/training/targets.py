"""Which weights of a model LoRA adapts, and the share of the linear weights that these are.

`AllLinear` means every linear weight of the language model except embeddings and output head. A
weight is found in one of two forms:

- A linear layer. Its adapter is added to the layer's output, with dropout at its input.
- A parameter with the weights of all experts of a layer. peft adapts it as a parameter
  (`target_parameters`) and gives each expert its own matrices. peft has no dropout for it.

Everything else that is a matrix is left out: routers, vision and audio towers, and weights that
only the code of their architecture can interpret. The share makes visible how much this is.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from transformers.pytorch_utils import Conv1D

from isheep.recipes.settings import LoraSettings
from isheep_worker.engines.causal_model import empty_model

_LINEAR = (torch.nn.Linear, Conv1D)
_NOT_LINEAR = (
    torch.nn.Embedding,
    torch.nn.Conv1d,
    torch.nn.Conv2d,
    torch.nn.Conv3d,
)


@dataclass(frozen=True, slots=True)
class Targets:
    """The names of the linear layers and of the parameters that LoRA adapts in a model.

    `share` is the number of adapted elements divided by the number of elements of all linear
    weights of the language model. `left_out` has the names of the other linear weights, the
    largest first, with `*` for each number.
    """

    modules: tuple[str, ...]
    parameters: tuple[str, ...]
    share: float
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdaptedWeight:
    """A weight of the base with an adapter: the path of its LoRA layer in the base, and the layer.

    The path is also that of the adapter's matrices in its file, after `base_model.model.`.
    """

    path: str
    layer: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weight, [out, in], or [experts, …, …] for a stack of experts."""
        base = self.layer.get_base_layer()
        return tuple(getattr(base, getattr(self.layer, "parameter_name", "weight")).shape)


def add_adapter(model: Any, lora: LoraSettings) -> PeftModel:
    """Return a frozen model with a new adapter on its linear weights.

    Raises:
        ValueError: peft cannot adapt this architecture.
    """
    targets = find_targets(model)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        # peft refuses a configuration with dropout if it contains parameters.
        lora_dropout=0.0 if targets.parameters else lora.dropout,
        target_modules=set(targets.modules),
        target_parameters=list(targets.parameters) or None,
        bias="none",
    )
    adapted = get_peft_model(model, config)
    if targets.parameters and lora.dropout:
        _set_dropout(adapted, targets, lora.dropout)
    return adapted


def adapted_share(base: Path) -> float:
    """Return the share of the linear weights that LoRA adapts in the model of a folder."""
    return find_targets(empty_model(base)).share


def find_targets(model: Any) -> Targets:
    """Return what LoRA adapts in a model of Transformers that has no adapter.

    Raises:
        ValueError: The model has no linear layer.
    """
    prefix = _language_prefix(model)
    head = model.get_output_embeddings()
    modules: list[str] = []
    parameters: list[str] = []
    left_out: dict[str, int] = {}
    bypassed = _bypassed(model)
    adapted = total = 0
    for name, module in model.named_modules():
        if module is head or not f"{name}.".startswith(prefix) or isinstance(module, _NOT_LINEAR):
            continue
        for own_name, weight in module.named_parameters(recurse=False):
            if weight.ndim < 2 or own_name.endswith("bias"):
                continue
            total += weight.numel()
            if _is_linear(module) and name not in bypassed:
                modules.append(name)
            elif _holds_experts(module, weight):
                parameters.append(f"{name}.{own_name}")
            else:
                pattern = _pattern(f"{name}.{own_name}")
                left_out[pattern] = left_out.get(pattern, 0) + weight.numel()
                continue
            adapted += weight.numel()
    if not modules:
        raise ValueError("the model has no linear layer")
    claimed = _claimed_by_peft(model, modules)
    return Targets(
        modules=tuple(name for name in modules if name not in claimed),
        parameters=(*parameters, *(f"{name}.weight" for name in modules if name in claimed)),
        share=adapted / total,
        left_out=tuple(sorted(left_out, key=lambda name: (-left_out[name], name))),
    )


def adapted_weights(model: PeftModel) -> dict[str, AdaptedWeight]:
    """Return the adapted weights of a model by their names in the base."""
    found = {}
    for path, module in model.get_base_model().named_modules():
        if isinstance(module, LoraLayer) and module.lora_A:
            # peft wraps a module once for each of its adapted parameters.
            owner = path.replace(".base_layer", "")
            name = f"{owner}.{getattr(module, 'parameter_name', 'weight')}"
            found[name] = AdaptedWeight(path, module)
    return found


def _language_prefix(model: Any) -> str:
    """Return the beginning of the names of the language model's modules, "" for the whole model."""
    if model.config.get_text_config() is model.config:
        return ""
    decoder = model.get_decoder()
    return next((f"{name}." for name, module in model.named_modules() if module is decoder), "")


def _is_linear(module: Any) -> bool:
    """Return whether a module is a linear layer and returns nothing but its product.

    Some routers are derived from the class of linear layers and return more.
    """
    return any(
        isinstance(module, kind) and type(module).forward is kind.forward for kind in _LINEAR
    )


def _bypassed(model: Any) -> set[str]:
    """Return the linear layers whose weights are read without a call, so an adapter is ignored.

    This is how Transformers computes the time steps of Mamba's state-space layers.
    """
    return {
        f"{name}.dt_proj"
        for name, module in model.named_modules()
        if hasattr(module, "A_log") and hasattr(module, "dt_proj")
    }


def _holds_experts(module: Any, weight: Any) -> bool:
    """Return whether a parameter is a stack of the experts' matrices."""
    return weight.ndim == 3 and (hasattr(module, "is_transposed") or hasattr(module, "num_experts"))


def _claimed_by_peft(model: Any, modules: list[str]) -> set[str]:
    """Return the linear layers that peft would not adapt, because it takes them for experts.

    peft rewrites configurations from the time when experts were linear layers, and it recognizes
    such a configuration by the layers' names alone. Dense layers and shared experts have the same
    names. If they are given as parameters, peft adapts them.
    """
    config = LoraConfig(target_modules=set(modules))
    rewritten = copy.deepcopy(config)
    convert_peft_config_for_transformers(rewritten, model, None)
    return set(modules) - set(rewritten.target_modules)


def _set_dropout(model: PeftModel, targets: Targets, dropout: float) -> None:
    """Set the dropout of the linear layers' adapters."""
    layers = dict(model.get_base_model().named_modules())
    for name in targets.modules:
        layers[name].lora_dropout["default"] = torch.nn.Dropout(p=dropout)


def _pattern(name: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.)", "*", name)
