"""Whether the model can be trained with LoRA and merged, and how much of it LoRA adapts.

The check builds the model without weights, adds the adapter as training does, and finds each
adapted weight in the headers of the files as merge does. It takes seconds on a CPU for a model of
any size. Without it, an architecture that cannot be adapted or merged would fail only after the
inference of an iteration.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes.settings import LoraSettings
from isheep_worker.engines.registry import ENGINES, Capability
from isheep_worker.inputs.model_files import CONFIG, ModelFilesError
from isheep_worker.inputs.weight_files import stored_tensors, weight_files
from isheep_worker.runtime.errors import BadInputError

LEAST_SHARE = 0.9
"""The share of adapted linear weights below which prepare warns."""
_NAMES_IN_WARNING = 10
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What LoRA adapts in a model.

    `share` is the adapted part of the linear weights, and `left_out` has the names of the rest, the
    largest weights first. `is_simple` is whether only linear layers are adapted, in a model that is
    not a part of a larger one. `adapted` is the model on the device `meta` with the adapter, and
    `parameters` are those of the model from before. To build a large model takes seconds, so it is
    built once for all checks.
    """

    share: float
    left_out: tuple[str, ...]
    is_simple: bool
    adapted: Any
    parameters: Mapping[str, Any]


def check_adapter(spec: SelfAlignmentRunSpec, folder: Path) -> Adaptation:
    """Check that the model can get the adapter of the run; warn if the adapter leaves out much.

    Args:
        spec: The run.
        folder: The folder of the base model, which may be without weights.

    Raises:
        ModelFilesError: The model cannot be trained.
        BadInputError: The engine cannot serve the adapter, and `training.handover` needs it.
    """
    with _explained(folder):
        found = _adaptation(folder, _lora(spec))
    _check_handover(spec, found)
    if found.share < LEAST_SHARE:
        names = found.left_out[:_NAMES_IN_WARNING]
        _LOG.warning(
            "training.lora.targetModules: %s adapts %.0f %% of the linear weights of this model; "
            "it leaves out %s",
            spec.training.lora.target_modules,
            100 * found.share,
            ", ".join(names) + (", …" if len(found.left_out) > len(names) else ""),
        )
    return found


def check_adapted_weights(adaptation: Adaptation, folder: Path) -> None:
    """Check that the files contain each weight that the adapter of the run changes.

    Args:
        adaptation: What `check_adapter` has found for the model.
        folder: The folder of the base model, whose files are complete.

    Raises:
        ModelFilesError: The adapter could not be merged into the files.
    """
    import torch  # noqa: PLC0415 (heavy)

    from isheep_worker.training.adapted_tensors import adapted_tensors  # noqa: PLC0415 (heavy)
    from isheep_worker.training.weight_layout import read_layout  # noqa: PLC0415 (heavy)

    stored = {
        name: tensor
        for file in weight_files(folder)
        for name, tensor in stored_tensors(file).items()
    }
    with _explained(folder), torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in stored.items()}
        places = read_layout(adaptation.adapted.get_base_model(), shapes, adaptation.parameters)
        adapted_tensors(adaptation.adapted, places, stored)


def _lora(spec: SelfAlignmentRunSpec) -> LoraSettings:
    lora = spec.training.lora
    return LoraSettings(
        r=lora.r, alpha=lora.alpha, dropout=lora.dropout, target_modules=lora.target_modules
    )


def _adaptation(folder: Path, lora: LoraSettings) -> Adaptation:
    import torch  # noqa: PLC0415 (heavy)

    from isheep_worker.engines.causal_model import empty_model  # noqa: PLC0415 (heavy)
    from isheep_worker.training.targets import add_adapter, find_targets  # noqa: PLC0415 (heavy)

    model = empty_model(folder)
    parameters = model.state_dict()
    targets = find_targets(model)
    with torch.device("meta"):
        adapted = add_adapter(model, lora)
    is_part = "text_config" in json.loads((folder / CONFIG).read_text("utf-8"))
    return Adaptation(
        share=targets.share,
        left_out=targets.left_out,
        is_simple=not (targets.parameters or is_part),
        adapted=adapted,
        parameters=parameters,
    )


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Raise `ModelFilesError` for any error, because architectures and peft raise many kinds."""
    try:
        yield
    except Exception as error:
        raise ModelFilesError(
            f"{folder}: this model can be served but not trained with LoRA and merged "
            f"({type(error).__name__}: {error}); use a model of another architecture, such as one "
            "of those that docs/reference/models.md lists as tested"
        ) from error


def _check_handover(spec: SelfAlignmentRunSpec, found: Adaptation) -> None:
    """Refuse a run whose engine would have to serve an adapter that it cannot serve."""
    capability = Capability.ALL_ADAPTERS
    if (
        spec.iterations > 1
        and spec.training.handover == "Adapter"
        and not found.is_simple
        and capability not in ENGINES[spec.engine.type].capabilities
    ):
        raise BadInputError(
            f"training.handover: Adapter, but engine.type: {spec.engine.type} does not support "
            f"{capability}, and this model has experts or is a part of a larger model; set "
            "training.handover: Merged"
        )
