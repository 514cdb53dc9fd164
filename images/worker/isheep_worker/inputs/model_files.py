"""Is this folder a model that can be loaded? Asked of the files alone, in seconds.

A run that fails because a shard is missing should fail in prepare, on a CPU, with the
name of the file, not an hour later on a GPU. So everything that can be known without
loading is checked here: the configuration parses and names an architecture that the
installed Transformers knows by itself (no code from the model's folder is ever run), the
weights are safetensors (pickles can run code when they are read), every shard is there
and as long as its header says, and there is a tokenizer.

The digest stands for the model in keys. It covers every file that changes what the model
computes. Weights up to `FULL_HASH_BYTES` are read whole; of larger files a block in every
stride, besides the header and the size. A tensor longer than a stride cannot change
unnoticed, so any training that touched such a tensor gives another digest; to read all
144 GB of a 72B model would make the earliest check one of the slowest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

MIB = 1024**2
FULL_HASH_BYTES = 2048 * MIB
SAMPLE_BLOCK = MIB
SAMPLE_STRIDE = 16 * MIB

CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
INDEX = "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
# What a model's behaviour depends on; READMEs, pictures and pickles beside it do not count.
DIGESTED = (".json", ".jinja", ".model", ".txt", ".safetensors")

Dtype = Literal["float32", "bfloat16", "float16"]
_DTYPES: Mapping[str, Dtype] = {
    "float32": "float32",
    "bfloat16": "bfloat16",
    "float16": "float16",
}


class ModelFilesError(ValueError):
    """A model's folder cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What a folder says of its model.

    `dtype` is what its weights are kept in (float32 where that is none of torch's usual
    three). `max_length` is the longest text in tokens that it was made for, None where
    its configuration does not say.
    """

    digest: str
    architecture: str
    dtype: Dtype
    max_length: int | None


def inspect_model(folder: Path) -> ModelFiles:
    """Check a model's folder and describe it. Raises `ModelFilesError`."""
    if not folder.is_dir():
        raise ModelFilesError(f"{folder}: there is no such folder; check model.storageUri")
    config = _read_config(folder)
    _check_code(folder, config)
    for shard in _weights(folder):
        _check_shard(folder, *shard)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise ModelFilesError(
            f"{folder}: no tokenizer (tokenizer.json) lies beside the weights; "
            "save it there with AutoTokenizer's save_pretrained()"
        )
    text = config.get("text_config", config)
    dtype = str(config.get("dtype") or config.get("torch_dtype") or text.get("dtype"))
    return ModelFiles(
        digest=_digest(folder),
        architecture=config["architectures"][0],
        dtype=_DTYPES.get(dtype.removeprefix("torch."), "float32"),
        max_length=text.get("max_position_embeddings"),
    )


def eos_token_ids(folder: Path) -> tuple[int, ...]:
    """Return the ids that end a text according to the model's configurations, ascending."""
    ids: set[int | None] = set()
    for name in (CONFIG, GENERATION_CONFIG):
        if (folder / name).is_file():
            found = _read_json(folder / name).get("eos_token_id")
            ids.update(found if isinstance(found, list) else [found])
    return tuple(sorted(token for token in ids if token is not None))


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        if (folder / "adapter_config.json").is_file():
            raise ModelFilesError(
                f"{folder}: this is an adapter, not a model; merge it into its base model "
                "with peft's merge_and_unload() and save the result"
            )
        raise ModelFilesError(
            f"{path}: missing; model.storageUri must name a folder as Transformers' "
            "save_pretrained() writes it"
        )
    config = _read_json(path)
    names = config.get("architectures")
    if not isinstance(names, list) or not names:
        raise ModelFilesError(f"{path}: field architectures is missing; it names the model's class")
    return config


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelFilesError(f"{path}: not JSON ({error}); fetch the file again") from error
    if not isinstance(content, dict):
        raise ModelFilesError(f"{path}: holds no JSON object; fetch the file again")
    return content


def _check_code(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model that needs code of its own.

    `auto_map` alone does not: many models still carry it although Transformers has
    learned their architecture since.
    """
    from transformers import CONFIG_MAPPING  # noqa: PLC0415 - heavy

    kind = config.get("model_type")
    if kind in CONFIG_MAPPING:
        return
    if "auto_map" in config:
        raise ModelFilesError(
            f"{folder / CONFIG}: the model needs Python code from its own folder (auto_map), "
            "which is never run; use a model that Transformers knows by itself"
        )
    raise ModelFilesError(
        f"{folder / CONFIG}: the installed Transformers does not know the model_type {kind!r}; "
        "use another model, or a worker image with a newer Transformers"
    )


def _weights(folder: Path) -> list[tuple[str, set[str]]]:
    """Return the weight files with the tensors that the index expects in each."""
    single = folder / "model.safetensors"
    if single.is_file():
        return [(single.name, set())]
    if (folder / INDEX).is_file():
        mapping = _read_json(folder / INDEX).get("weight_map")
        if not isinstance(mapping, dict) or not mapping:
            raise ModelFilesError(f"{folder / INDEX}: field weight_map is missing; fetch it again")
        shards: dict[str, set[str]] = {}
        for tensor, name in mapping.items():
            shards.setdefault(name, set()).add(tensor)
        return sorted(shards.items())
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise ModelFilesError(
            f"{folder / pickles[0]}: the weights are a pickle, which can run code when it is "
            "read; load the model with Transformers where you trust it and save it with "
            "save_pretrained(), which writes safetensors"
        )
    raise ModelFilesError(
        f"{folder}: no weights; expected model.safetensors, or {INDEX} and its shards (where "
        "the source has pickles only, load and save it with Transformers first)"
    )


def _check_shard(folder: Path, name: str, expected: set[str]) -> None:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - worker extras only

    path = folder / name
    if Path(name).name != name:
        raise ModelFilesError(f"{folder / INDEX}: {name!r} is no plain file name; fetch it again")
    if not path.is_file():
        raise ModelFilesError(f"{path}: missing, but {INDEX} names it; fetch the model again")
    try:
        with safe_open(path, framework="np") as tensors:
            missing = expected - set(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise ModelFilesError(f"{path}: cut or corrupt ({error}); fetch the file again") from error
    if missing:
        raise ModelFilesError(
            f"{path}: the tensor {min(missing)} is missing, but {INDEX} says that it is there; "
            "fetch the model again"
        )


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        # Hidden: what a download in flight, into a folder that workers share, has so far.
        hidden = path.name.startswith(".")
        if path.is_file() and path.suffix in DIGESTED and not hidden:
            total.update(f"{path.name}\0{path.stat().st_size}\0{_file_digest(path)}\n".encode())
    return total.hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        size = path.stat().st_size
        if size <= FULL_HASH_BYTES:
            return hashlib.file_digest(file, "sha256").hexdigest()
        sampled = hashlib.sha256()
        # Tensors do not begin at strides; the first blocks hold the header.
        for start in range(0, size, SAMPLE_STRIDE):
            file.seek(start)
            sampled.update(file.read(SAMPLE_BLOCK))
        return sampled.hexdigest()
