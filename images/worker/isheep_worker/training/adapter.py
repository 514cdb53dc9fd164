"""The files of an adapter: `adapter_model.safetensors` and `adapter_config.json`, as peft has them.

peft's own `save_pretrained` is not used: it writes the base's path on this machine, adds a
model card, and lists the target modules in the order of a Python set. The bytes of one adapter
would then differ between two processes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from peft import get_peft_model_state_dict
from safetensors.torch import save_file

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


def save_adapter(model: Any, folder: Path) -> None:
    """Write the only adapter of a `PeftModel` into a folder, with the same bytes each time.

    Args:
        model: A `PeftModel` with one adapter, named `default`.
        folder: The folder to write into. It is created if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Pass the adapter's parameters only. From a sharded base peft would gather every weight, and
    # would wait for the other processes, which save nothing.
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    # With the default for embedding layers, peft would query the hub to find out whether the
    # base's vocabulary was resized.
    state = get_peft_model_state_dict(model, state_dict=trained, save_embedding_layers=False)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict()
    config |= {"base_model_name_or_path": None, "inference_mode": True}
    text = json.dumps(_plain(config), indent=2, sort_keys=True)
    (folder / ADAPTER_CONFIG).write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Return a config's value as JSON represents it: sets as sorted lists, enums by value."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    return getattr(value, "value", value)
