"""The safetensors files of a model's folder: their names, and the tensors that each one contains.

A safetensors file starts with the length of its header in 8 bytes, and with the header as JSON.
Names, types, shapes and offsets of a model of any size are therefore read in a moment.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file: the offset of its first byte, its size in bytes, its type and shape.

    `dtype` is the name in the header, such as `BF16`.
    """

    begin: int
    size: int
    dtype: str
    shape: tuple[int, ...]


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files of a model, or nothing if the folder has no safetensors weights.

    Other safetensors files in the folder, such as a second copy of the weights, are left out. The
    single file is preferred to an index, as in Transformers.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        return []
    names = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values()
    return [folder / name for name in sorted(set(names))]


def stored_tensors(file: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a safetensors file by name."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(length))
    return {
        name: StoredTensor(8 + length + begin, end - begin, entry["dtype"], tuple(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__"
        for begin, end in [entry["data_offsets"]]
    }
