"""Merges an adapter into its base: W + alpha/r * B A, the full weights of M(t).

A merged model has the tensors of its base, with the same names, shapes and types. So its files
are copies of the base's files in which the changed tensors are overwritten in place. Layout,
index and tied weights stay as they are, and one tensor at a time is in memory, for a model of
any size.

The sum is computed in float32 and rounded once to the base's type. The merged folder also
contains configuration and tokenizer, and the chat template and end-of-turn tokens that training
used, so that any server renders the same prompts and stops at the same tokens.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from isheep_worker.training.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from isheep_worker.training.chat_files import edit_json, write_chat

_INDEX = "model.safetensors.index.json"
_COMPANIONS = frozenset({".json", ".jinja", ".model", ".tiktoken", ".txt"})
_TORCH_TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
# Settings that change the meaning of the weights. The rest of peft's configuration has no effect
# on a merge.
_UNSUPPORTED = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "rank_pattern",
    "target_parameters",
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


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a tensor's bytes in its file, with the tensor's type and shape."""

    begin: int
    size: int
    dtype: str
    shape: tuple[int, ...]


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
    shards = _shards(base)
    config = _adapter_config(adapter)
    out.mkdir(parents=True, exist_ok=True)
    with safe_open(adapter / ADAPTER_WEIGHTS, framework="pt") as weights:
        targets = _targets(weights.keys(), adapter)
        places = {shard: _places(shard) for shard in shards}
        _check_targets(targets, places, base)
        for shard in shards:
            copy = out / shard.name
            shutil.copyfile(shard, copy)
            _merge_shard(copy, places[shard], targets, weights, config)
    _copy_companions(base, out)
    _set_chat(out, chat_template, stop_token_ids)
    return MergedFiles(
        files=tuple(shard.name for shard in shards),
        merged_tensors=len(targets),
        weight_bytes=sum((out / shard.name).stat().st_size for shard in shards),
    )


def _shards(base: Path) -> list[Path]:
    """Return the base's weight files, without other safetensors files in the same folder."""
    index = base / _INDEX
    if index.exists():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        return [base / name for name in names]
    single = base / "model.safetensors"
    if not single.exists():
        raise MergeError(
            f"{base} has neither model.safetensors nor {_INDEX}: convert the base to safetensors"
        )
    return [single]


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


def _targets(keys: Sequence[str], adapter: Path) -> dict[str, tuple[str, str]]:
    """Map the name of each base tensor that changes to the names of its matrices A and B."""
    targets: dict[str, tuple[str, str]] = {}
    for key in keys:
        if not key.endswith((".lora_A.weight", ".lora_B.weight")):
            raise MergeError(f"{adapter / ADAPTER_WEIGHTS}: {key} is not a LoRA matrix")
        stem = key.rpartition(".lora_")[0]
        name = f"{stem.removeprefix('base_model.model.')}.weight"
        targets[name] = (f"{stem}.lora_A.weight", f"{stem}.lora_B.weight")
    return targets


def _places(shard: Path) -> dict[str, _Place]:
    """Return the place of each tensor in a safetensors file.

    The file starts with the header's length in 8 bytes and the header as JSON. Offsets count
    from the header's end.
    """
    with shard.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {
        name: _Place(8 + length + begin, end - begin, entry["dtype"], tuple(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__"
        for begin, end in [entry["data_offsets"]]
    }


def _check_targets(
    targets: Mapping[str, tuple[str, str]], places: Mapping[Path, Mapping[str, _Place]], base: Path
) -> None:
    types = {name: place.dtype for shard in places.values() for name, place in shard.items()}
    for name in targets:
        if name not in types:
            raise MergeError(
                f"the adapter changes {name}, which {base} does not contain: the adapter belongs "
                "to another base, or the tensor is tied to another tensor"
            )
        if types[name] not in _TORCH_TYPES:
            raise MergeError(
                f"{name} is of type {types[name]}: a quantized base cannot be merged into; "
                "use the base's float weights"
            )


def _merge_shard(
    copy: Path,
    places: Mapping[str, _Place],
    targets: Mapping[str, tuple[str, str]],
    weights: Any,
    config: Mapping[str, Any],
) -> None:
    with copy.open("r+b") as file:
        for name in sorted(places.keys() & targets.keys()):
            place = places[name]
            matrix_a, matrix_b = (weights.get_tensor(key).float() for key in targets[name])
            delta = matrix_b @ matrix_a * (config["lora_alpha"] / config["r"])
            file.seek(place.begin)
            # GPT-2 stores its matrices transposed.
            data = _add(
                name,
                bytearray(file.read(place.size)),
                place,
                delta.T if config["fan_in_fan_out"] else delta,
            )
            file.seek(place.begin)
            file.write(data)


def _add(name: str, data: bytearray, place: _Place, delta: Any) -> Any:
    """Return the bytes of a tensor after `delta`, a float32 tensor of its shape, is added."""
    dtype = _TORCH_TYPES[place.dtype]
    weight = torch.frombuffer(data, dtype=dtype).reshape(place.shape).float()
    if delta.shape != weight.shape:
        raise MergeError(
            f"{name} has shape {list(weight.shape)}, the adapter's product {list(delta.shape)}: "
            "the adapter belongs to another base"
        )
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
