"""The weight files of a model and their tensors are those that safetensors reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from isheep_worker.inputs.weight_files import stored_tensors, weight_files


def test_the_tensors_of_a_file_are_where_the_header_says(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    values = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.float16)}
    save_file(values, file, metadata={"format": "pt"})
    found = stored_tensors(file)
    assert {name: (own.dtype, own.shape) for name, own in found.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("F16", (4,)),
    }
    for name, own in found.items():
        assert file.read_bytes()[own.begin : own.begin + own.size] == values[name].tobytes()


def test_the_weight_files_are_those_of_the_index(tmp_path: Path) -> None:
    assert weight_files(tmp_path) == []
    for name in ("one", "two", "consolidated"):
        save_file({name: np.zeros(1)}, tmp_path / f"{name}.safetensors")
    weight_map = {"two": "two.safetensors", "one": "one.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert [path.name for path in weight_files(tmp_path)] == ["one.safetensors", "two.safetensors"]
    save_file({"one": np.zeros(1)}, tmp_path / "model.safetensors")
    assert [path.name for path in weight_files(tmp_path)] == ["model.safetensors"]
