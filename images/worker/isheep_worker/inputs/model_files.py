"""Checks of a model's folder that need only its files and take seconds.

If a shard is missing, a run should fail in prepare, on a CPU, with the name of the file, and not an
hour later on a GPU. Therefore this module checks everything that does not require loading the
model: the configuration parses and names an architecture that the installed Transformers supports
(code from the model's folder is never run), the weights are safetensors (a pickle can run code when
it is read) and not quantized, every shard exists and has the length that its header gives, and
there is a tokenizer.

Keys contain the digest of the model. The digest covers every file that changes the model's output.
Weight files up to `FULL_HASH_BYTES` are hashed completely. Of a larger file, the digest covers the
header, the size and one block in every stride. Every tensor that is longer than a stride is
therefore covered in part, and a training that changes the whole tensor changes the digest. Reading
all 144 GB of a 72B model would make the first check of a run one of its slowest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isheep.contract.choices import DTYPE_OF, Dtype
from isheep.contract.reasons import Reason
from isheep_worker.inputs.quantization import quantization_in_files, quantization_in_tensors
from isheep_worker.inputs.weight_files import INDEX, SINGLE, stored_tensors
from isheep_worker.runtime.errors import WorkerError

MIB = 1024**2
FULL_HASH_BYTES = 2048 * MIB
SAMPLE_BLOCK = MIB
SAMPLE_STRIDE = 16 * MIB

CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
ADAPTER_CONFIG = "adapter_config.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
# The files that change a model's output. READMEs, pictures and pickles do not.
DIGESTED = (".json", ".jinja", ".model", ".txt", ".safetensors")

_DTYPES: Mapping[str, Dtype] = {dtype: dtype for dtype in DTYPE_OF.values()}


class ModelFilesError(WorkerError, ValueError):
    """A model's folder cannot be used; the message names the file and the remedy."""

    reason = Reason.BAD_MODEL


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The properties of a model that its files give.

    `dtype` is the type of its weights, or float32 if that type is not in `_DTYPES`. `max_length`
    is the longest text in tokens that the model was made for, or None if the configuration does
    not contain it.
    """

    digest: str
    architecture: str
    dtype: Dtype
    max_length: int | None


def inspect_model(folder: Path) -> ModelFiles:
    """Check a model's folder and return its properties; raises `ModelFilesError`."""
    config = check_configuration(folder)
    for shard in _weights(folder):
        _check_shard(folder, *shard)
        _check_not_quantized(folder, quantization_in_tensors(stored_tensors(folder / shard[0])))
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise ModelFilesError(
            f"{folder}: there is no tokenizer (tokenizer.json) next to the weights; "
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


def check_configuration(folder: Path) -> dict[str, Any]:
    """Check what does not need the weights of a model, and return its configuration.

    The folder may be without weights: no one should download weights that cannot be used. Raises
    `ModelFilesError`.
    """
    if not folder.is_dir():
        raise ModelFilesError(f"{folder}: the folder does not exist; check model.storageUri")
    config = _read_config(folder)
    _check_no_adapter(folder)
    _check_code(folder, config)
    _check_not_quantized(folder, quantization_in_files(folder, config))
    return config


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
        if (folder / ADAPTER_CONFIG).is_file():
            raise ModelFilesError(
                f"{folder}: this is an adapter and not a model; merge it into its base model "
                "with peft's merge_and_unload() and save the result"
            )
        _check_not_gguf(folder)
        raise ModelFilesError(
            f"{path}: the file is missing; model.storageUri must name a folder that Transformers' "
            "save_pretrained() has written (a source with GGUF files only cannot be used)"
        )
    config = _read_json(path)
    names = config.get("architectures")
    if not isinstance(names, list) or not names:
        raise ModelFilesError(
            f"{path}: field architectures is missing; it names the class of the model"
        )
    return config


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelFilesError(
            f"{path}: the file is not JSON ({error}); download it again"
        ) from error
    if not isinstance(content, dict):
        raise ModelFilesError(f"{path}: the file is not a JSON object; download it again")
    return content


def _check_code(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model that Transformers can load only with Python code from the model's folder.

    `auto_map` alone is not a reason: many models still have it although Transformers now supports
    their architecture.
    """
    from transformers import CONFIG_MAPPING  # noqa: PLC0415 - heavy

    kind = config.get("model_type")
    if kind in CONFIG_MAPPING:
        return
    if "auto_map" in config:
        raise ModelFilesError(
            f"{folder / CONFIG}: the model needs Python code from its folder (auto_map), which is "
            "never run; use a model that Transformers supports without such code"
        )
    raise ModelFilesError(
        f"{folder / CONFIG}: the installed Transformers does not support model_type {kind!r}; "
        "use another model, or a worker image with a newer Transformers"
    )


def _check_no_adapter(folder: Path) -> None:
    """Refuse a model beside an adapter, which Transformers would load too, and vLLM would not."""
    if (folder / ADAPTER_CONFIG).is_file():
        raise ModelFilesError(
            f"{folder / ADAPTER_CONFIG}: the folder of the model also has an adapter, which only "
            "some engines would load; remove the file, or merge the adapter into the model with "
            "peft's merge_and_unload()"
        )


def _check_not_quantized(folder: Path, found: str | None) -> None:
    if found is not None:
        raise ModelFilesError(
            f"{folder}: the weights are quantized ({found}), and only float weights can be trained "
            "and merged; use the float weights of this model, or a copy that was dequantized to "
            "bfloat16 and saved with save_pretrained()"
        )


def _check_not_gguf(folder: Path) -> None:
    found = sorted(path.name for path in folder.iterdir() if path.suffix == ".gguf")
    if found:
        raise ModelFilesError(
            f"{folder / found[0]}: the weights are in GGUF, a format of quantized weights; use the "
            "float weights of this model, as safetensors with config.json and tokenizer.json"
        )


def _weights(folder: Path) -> list[tuple[str, set[str]]]:
    """Return the weight files with the tensors that the index expects in each."""
    if (folder / SINGLE).is_file():
        return [(SINGLE, set())]
    if (folder / INDEX).is_file():
        mapping = _read_json(folder / INDEX).get("weight_map")
        if not isinstance(mapping, dict) or not mapping:
            raise ModelFilesError(
                f"{folder / INDEX}: field weight_map is missing; download the file again"
            )
        shards: dict[str, set[str]] = {}
        for tensor, name in mapping.items():
            shards.setdefault(name, set()).add(tensor)
        return sorted(shards.items())
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise ModelFilesError(
            f"{folder / pickles[0]}: the weights are a pickle, which can run code when it is "
            "read; if you trust the model, load it with Transformers and save it with "
            "save_pretrained(), which writes safetensors"
        )
    _check_not_gguf(folder)
    raise ModelFilesError(
        f"{folder}: there are no weights; expected model.safetensors, or {INDEX} and its shards "
        "(if the source has pickles only, load and save the model with Transformers first)"
    )


def _check_shard(folder: Path, name: str, expected: set[str]) -> None:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - worker extras only

    path = folder / name
    if Path(name).name != name:
        raise ModelFilesError(
            f"{folder / INDEX}: {name!r} is not a plain file name; download the file again"
        )
    if not path.is_file():
        raise ModelFilesError(
            f"{path}: the file is missing, but {INDEX} names it; download the model again"
        )
    try:
        with safe_open(path, framework="np") as tensors:
            missing = expected - set(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise ModelFilesError(
            f"{path}: the file is incomplete or corrupt ({error}); download it again"
        ) from error
    if missing:
        raise ModelFilesError(
            f"{path}: the tensor {min(missing)} is missing, but {INDEX} lists it in this file; "
            "download the model again"
        )


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        # In a shared cache, a hidden file is a download that is not complete.
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
        # Tensors do not begin at multiples of a stride. The first blocks contain the header.
        for start in range(0, size, SAMPLE_STRIDE):
            file.seek(start)
            sampled.update(file.read(SAMPLE_BLOCK))
        return sampled.hexdigest()
