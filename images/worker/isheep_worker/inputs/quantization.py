"""Whether the weights of a model are quantized, and by which method.

LoRA trains on float weights and a merge adds to float weights. An engine may serve quantized
weights nevertheless, so without this check a run would fail only after all of its inference.
Methods write their name to different places: to the model's configuration or a part of it, or to a
separate file. Some weights have no such note, and only the types of the tensors show that they
are quantized.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from isheep_worker.inputs.weight_files import StoredTensor

# Fields of config.json. The last one is that of MLX.
_FIELDS = ("quantization_config", "compression_config", "quantization")
_METHOD_NAMES = ("quant_method", "quant_algo", "quant_type", "format", "mode")
_FLAGS = ("load_in_4bit", "load_in_8bit")
# Files of GPTQ, AWQ and ModelOpt next to config.json.
_FILES = {
    "quantize_config.json": "gptq",
    "quant_config.json": "awq",
    "hf_quant_config.json": "modelopt",
}
_SMALL_FLOATS = ("F8", "F6", "F4", "E8M0")
_INTEGERS = frozenset({"I4", "U4", "I8", "U8", "I16", "U16", "I32", "U32"})
# Integers that are not weights: masks (the `attn.bias` of GPT-2) and tables of indices.
_BUFFERS = ("bias", "mask", "ids", "index", "idx", "indices", "cache")


def quantization_in_files(folder: Path, config: Mapping[str, Any]) -> str | None:
    """Return the method of a model's quantization and where it was found, or None.

    Args:
        folder: The model's folder.
        config: The content of its config.json.
    """
    for path, part in _parts(config, ""):
        for field in _FIELDS:
            if part.get(field):
                return f"{_method(part[field])}, in {path}{field} of config.json"
        for flag in _FLAGS:
            if part.get(flag) is True:
                return f"bitsandbytes, by {path}{flag} of config.json"
    for name, method in _FILES.items():
        if (folder / name).is_file():
            return f"{_method(_content(folder / name), method)}, by the file {name}"
    return None


def quantization_in_tensors(tensors: Mapping[str, StoredTensor]) -> str | None:
    """Return the first tensor whose type only quantized weights have, with the type, or None."""
    for name, tensor in tensors.items():
        last = name.rpartition(".")[2]
        is_buffer = len(tensor.shape) < 2 or last.endswith(_BUFFERS)
        if tensor.dtype.startswith(_SMALL_FLOATS) or (tensor.dtype in _INTEGERS and not is_buffer):
            return f"{name} is of type {tensor.dtype}"
    return None


def _parts(config: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a configuration and the configurations in it, such as text_config, with their paths."""
    yield path, config
    for name, value in config.items():
        if isinstance(value, dict) and name not in _FIELDS:
            yield from _parts(value, f"{path}{name}.")


def _method(found: Any, default: str = "unknown method") -> str:
    """Return the name of the method that an object describes."""
    if not isinstance(found, dict):
        return str(found)
    if any(found.get(flag) is True for flag in _FLAGS):
        return str(found.get("quant_method", "bitsandbytes"))
    for name in _METHOD_NAMES:
        if isinstance(found.get(name), str):
            return str(found[name])
    nested = found.get("quantization")
    if isinstance(nested, dict):
        return _method(nested, default)
    return f"{found['bits']} bits" if default == "unknown method" and "bits" in found else default


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError:
        return {}
