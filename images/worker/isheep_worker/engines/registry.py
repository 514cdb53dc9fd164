"""The registry of engines: the class, library and capabilities for each value of `engine.type`.

The registry imports the class of an engine only when the engine is opened, because the libraries
take seconds to import.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from isheep.contract.choices import EngineType
from isheep_worker.engines.interface import Engine
from isheep_worker.engines.runtime import EngineRuntime


class Capability(StrEnum):
    """Abilities that some runs need and that an engine may lack."""

    LABEL_PROBABILITIES = "label-probabilities"
    """`Request.labels`: the log-probabilities of given tokens as the next token."""
    CONTINUATION = "continuation"
    """`Request.continuation`: the log-probability of given tokens after a prompt."""
    REGULAR_EXPRESSIONS = "regular-expressions"
    """`Request.regex`: completions that match an expression."""
    ADAPTERS = "adapters"
    """`Engine.adapt`: a LoRA adapter that is added to the base model."""
    ALL_ADAPTERS = "all-adapters"
    """Adapters of experts too, and of a language model that is a part of a larger model."""
    SLEEP = "sleep"
    """`Engine.sleep`: the memory of the GPU is free for a training, and the engine remains."""


@dataclass(frozen=True, slots=True)
class EngineDefinition:
    """An entry of the registry.

    `module` and `class_name` locate the engine's class; `open_engine` has its arguments. `library`
    is the package that the class imports, and `installation` is the remedy if it is not installed.
    """

    module: str
    class_name: str
    library: str
    installation: str
    capabilities: frozenset[Capability]

    @property
    def is_installed(self) -> bool:
        """Whether the engine's library is installed here."""
        return importlib.util.find_spec(self.library) is not None


ENGINES: Mapping[EngineType, EngineDefinition] = {
    "VLLM": EngineDefinition(
        module="isheep_worker.engines.vllm_engine",
        class_name="VLLMEngine",
        library="vllm",
        installation="install the extra `gpu` (or requirements/worker-cpu.txt on a CPU)",
        capabilities=frozenset(
            {
                Capability.LABEL_PROBABILITIES,
                Capability.CONTINUATION,
                Capability.REGULAR_EXPRESSIONS,
                Capability.ADAPTERS,
                Capability.SLEEP,
            }
        ),
    ),
    "Transformers": EngineDefinition(
        module="isheep_worker.engines.transformers_engine",
        class_name="TransformersEngine",
        library="transformers",
        installation="install the extra `cpu`",
        capabilities=frozenset(
            {
                Capability.LABEL_PROBABILITIES,
                Capability.CONTINUATION,
                Capability.REGULAR_EXPRESSIONS,
                Capability.ADAPTERS,
                Capability.ALL_ADAPTERS,
                Capability.SLEEP,
            }
        ),
    ),
}


def open_engine(
    kind: EngineType,
    model_dir: Path,
    dtype: str,
    max_model_length: int | None,
    runtime: EngineRuntime,
    *,
    max_adapter_rank: int = 0,
) -> Engine:
    """Load a model into an engine. The caller closes the engine.

    Args:
        kind: The engine's name in the registry.
        model_dir: The folder with the model's weights and tokenizer.
        dtype: torch's name of the number format (`float32`, `bfloat16`), or `auto`.
        max_model_length: Maximum of prompt and completion together, in tokens; None for the
            model's own maximum.
        runtime: Limits of the engine on this machine.
        max_adapter_rank: The highest LoRA rank for which the engine reserves memory. An engine that
            reserves none (0) may be faster, but may be unable to serve adapters.

    Returns:
        The loaded engine.

    Raises:
        DeviceMemoryError: The device's memory does not hold the model.
    """
    definition = ENGINES[kind]
    engine_class = getattr(importlib.import_module(definition.module), definition.class_name)
    engine: Engine = engine_class(
        model_dir, dtype, max_model_length, runtime, max_adapter_rank=max_adapter_rank
    )
    return engine
