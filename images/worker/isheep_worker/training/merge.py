"""Merges an adapter into its base: W + alpha/r * B A, the full weights of M(t).

A merged model has the tensors of its base, with the same names, shapes and types. So its files
are copies of the base's files in which the changed tensors are overwritten in place. Layout,
index, tied weights and the parts of the model that training does not read stay as they are, and one
tensor at a time is in memory, for a model of any size. If a file stores all experts of a layer as
one tensor, one expert at a time is in memory.

The sum is computed in float32 and rounded once to the base's type. The merged folder also
contains configuration and tokenizer, and the chat template and end-of-turn tokens that training
used, so that any server renders the same prompts and stops at the same tokens.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open

from isheep_worker.engines.causal_model import empty_model
from isheep_worker.inputs.weight_files import INDEX, StoredTensor, stored_tensors, weight_files
from isheep_worker.training.adapted_tensors import TORCH_TYPES, AdapterChanges, adapted_tensors
from isheep_worker.training.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from isheep_worker.training.chat_files import edit_json, write_chat
from isheep_worker.training.weight_layout import (
    Change,
    LayoutError,
    Place,
    change_of_tensor,
    read_layout,
)

_COMPANIONS = frozenset({".json", ".jinja", ".model", ".tiktoken", ".txt"})
# Settings that change the meaning of the weights. The rest of peft's configuration has no effect
# on a merge, or is understood by peft's layers (rank_pattern, alpha_pattern, target_parameters).
_UNSUPPORTED = (
    "alora_invocation_tokens",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
    "use_dora",
    "use_rslora",
)


class MergeError(ValueError):
    """The adapter does not fit the base, or one of them is of a kind that cannot be merged."""


@dataclass(frozen=True, slots=True)
class MergedFiles:
    """The written files: names of the weight files, number of changed tensors, bytes of weights."""

    files: tuple[str, ...]
    merged_tensors: int
    weight_bytes: int


def merge(
    adapter: Path,
    base: Path,
    out: Path,
    *,
    chat_template: str,
    stop_token_ids: Sequence[int],
) -> MergedFiles:
    """Write the merged model of a LoRA adapter and its base into a folder.

    Args:
        adapter: The adapter's folder, as `save_adapter` writes it.
        base: The base's folder with safetensors files.
        out: The folder to write into. It is created if it does not exist.
        chat_template: The chat template that training used, as Jinja source.
        stop_token_ids: The ids of the tokens that end a response.

    Returns:
        The names of the weight files, the number of changed tensors, and the bytes of weights.

    Raises:
        MergeError: The adapter does not fit the base or is not plain LoRA, the base is
            quantized or has no safetensors files, or a merged weight is not finite.
    """
    shards = weight_files(base)
    if not shards:
        raise MergeError(
            f"{base} has neither model.safetensors nor {INDEX}: convert the base to safetensors"
        )
    config = _adapter_config(adapter)
    stored = {shard: stored_tensors(shard) for shard in shards}
    everything = {name: tensor for tensors in stored.values() for name, tensor in tensors.items()}
    out.mkdir(parents=True, exist_ok=True)
    with safe_open(adapter / ADAPTER_WEIGHTS, framework="pt") as file:
        try:
            model = empty_model(base)
            places = read_layout(model, {name: own.shape for name, own in everything.items()})
            adapted = _with_adapter(model, config)
            change = AdapterChanges(adapted, file)
            targets = adapted_tensors(adapted, places, everything)
        except LayoutError as error:
            raise MergeError(f"{base}: {error}") from error
        for shard in shards:
            copy = out / shard.name
            shutil.copyfile(shard, copy)
            _merge_shard(copy, stored[shard], targets, change)
    _copy_companions(base, out)
    _set_chat(out, chat_template, stop_token_ids)
    return MergedFiles(
        files=tuple(shard.name for shard in shards),
        merged_tensors=len(targets),
        weight_bytes=sum((out / shard.name).stat().st_size for shard in shards),
    )


def _adapter_config(adapter: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((adapter / ADAPTER_CONFIG).read_text())
    unsupported = [name for name in _UNSUPPORTED if config.get(name)]
    if config.get("bias", "none") != "none":
        unsupported.append("bias")
    if config.get("peft_type") != "LORA" or unsupported:
        raise MergeError(
            f"{adapter / ADAPTER_CONFIG}: only plain LoRA can be merged, this is "
            f"{config.get('peft_type')} with {', '.join(unsupported) or 'no further settings'}"
        )
    return config


def _with_adapter(model: Any, config: Mapping[str, Any]) -> PeftModel:
    """Return a model on the device `meta` with an adapter of this configuration."""
    lora = LoraConfig.from_peft_type(**config)
    try:
        with torch.device("meta"):
            return get_peft_model(model, lora)
    except ValueError as error:
        # peft's message has the names of all modules.
        cause = shorten(str(error), 200)
        raise LayoutError(f"the adapter belongs to another base ({cause})") from error


def _merge_shard(
    copy: Path,
    stored: Mapping[str, StoredTensor],
    targets: Mapping[str, Place],
    change: Change,
) -> None:
    with copy.open("r+b") as file:
        for name in sorted(stored.keys() & targets.keys()):
            for piece, delta in _pieces(stored[name], targets[name], change):
                file.seek(piece.begin)
                data = _add(name, bytearray(file.read(piece.size)), piece, delta)
                file.seek(piece.begin)
                file.write(data)


def _pieces(
    stored: StoredTensor, place: Place, change: Change
) -> Iterator[tuple[StoredTensor, Any]]:
    """Yield the parts of a tensor that are changed one at a time, each with its change."""
    conversion = place.conversion
    if conversion.converter is not None or len(stored.shape) < 3:
        yield stored, change_of_tensor(place, change)
        return
    (parameter,) = conversion.parameters
    size, shape = stored.size // stored.shape[0], (1, *stored.shape[1:])
    for index in range(stored.shape[0]):
        begin = stored.begin + index * size
        yield StoredTensor(begin, size, stored.dtype, shape), change(parameter, index)


def _add(name: str, data: bytearray, stored: StoredTensor, delta: Any) -> Any:
    """Return the bytes of a tensor after `delta`, a float32 tensor of its shape, is added."""
    dtype = TORCH_TYPES[stored.dtype]
    weight = torch.frombuffer(data, dtype=dtype).reshape(stored.shape).float()
    merged = (weight + delta).to(dtype)
    if not torch.isfinite(merged).all():
        raise MergeError(f"{name} is not finite after merging: the adapter's training diverged")
    return merged.view(torch.uint8).numpy()


def _copy_companions(base: Path, out: Path) -> None:
    """Copy the configuration, the tokenizer and the licence, but neither weights nor code."""
    for path in sorted(base.iterdir()):
        licence = path.name.upper().startswith(("LICENSE", "NOTICE"))
        if path.is_file() and (path.suffix in _COMPANIONS or licence):
            shutil.copyfile(path, out / path.name)


def _set_chat(out: Path, chat_template: str, stop_token_ids: Sequence[int]) -> None:
    write_chat(out, chat_template, stop_token_ids)
    # Older tokenizers have a template in this file, and some readers prefer it to the other file.
    edit_json(out / "tokenizer_config.json", lambda config: config.pop("chat_template", None))
