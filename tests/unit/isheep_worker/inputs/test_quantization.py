"""A quantized model is recognized by its configuration, by a file, or by its tensors' types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isheep_worker.inputs.quantization import quantization_in_files, quantization_in_tensors
from isheep_worker.inputs.weight_files import StoredTensor

BITSANDBYTES = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (
            {"quantization_config": {"quant_method": "gptq", "bits": 4}},
            "gptq, in quantization_config of config.json",
        ),
        ({"quantization_config": {"quant_method": "awq", "version": "gemm"}}, "awq, in"),
        ({"quantization_config": BITSANDBYTES}, "bitsandbytes, in"),
        ({"quantization_config": {"load_in_4bit": True}}, "bitsandbytes, in"),
        ({"quantization_config": {"quant_method": "fp8"}}, "fp8, in"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4, in"),
        (
            {"quantization_config": {"format": "pack-quantized"}},
            "pack-quantized, in quantization_config",
        ),
        ({"quantization_config": {"quant_algo": "NVFP4"}}, "NVFP4, in"),
        ({"quantization_config": {"activation_scheme": "static"}}, "unknown method, in"),
        (
            {"text_config": {"quantization_config": {"quant_method": "fp8"}}},
            "fp8, in text_config.quantization_config of config.json",
        ),
        (
            {"compression_config": {"quant_method": "compressed-tensors"}},
            "compressed-tensors, in compression_config",
        ),
        ({"quantization": {"group_size": 64, "bits": 4}}, "4 bits, in quantization of"),
        ({"load_in_8bit": True}, "bitsandbytes, by load_in_8bit of config.json"),
        ({"quantization_config": None, "load_in_4bit": False}, None),
        ({"quantization_config": {}, "text_config": {"hidden_size": 8}}, None),
    ],
)
def test_the_configuration_names_the_method(
    config: dict[str, Any], found: str | None, tmp_path: Path
) -> None:
    answer = quantization_in_files(tmp_path, config)
    assert answer is None if found is None else str(answer).startswith(found), answer


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("quantize_config.json", {"bits": 4}, "gptq, by the file quantize_config.json"),
        ("quant_config.json", {"w_bit": 4}, "awq, by the file quant_config.json"),
        (
            "hf_quant_config.json",
            {"quantization": {"quant_algo": "FP8"}},
            "FP8, by the file hf_quant_config.json",
        ),
    ],
)
def test_a_file_next_to_the_configuration_shows_the_method(
    name: str, content: dict[str, Any], found: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    assert quantization_in_files(tmp_path, {}) == found


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "is_quantized"),
    [
        ("layers.0.up_proj.weight", "F8_E4M3", (4, 4), True),
        ("layers.0.up_proj.weight_scale", "F8_E8M0", (4,), True),
        ("layers.0.up_proj.weight", "I8", (4, 4), True),
        ("layers.0.up_proj.weight", "U8", (8, 1), True),
        ("layers.0.up_proj.qweight", "I32", (4, 4), True),
        ("layers.0.experts.gate_up_proj_blocks", "U8", (2, 4, 4, 16), True),
        ("layers.0.up_proj.weight", "BF16", (4, 4), False),
        ("h.0.attn.bias", "U8", (1, 1, 16, 16), False),
        ("h.0.attn.bias", "BOOL", (1, 1, 16, 16), False),
        ("embeddings.position_ids", "I32", (1, 16), False),
        ("embeddings.position_ids", "I64", (1, 16), False),
        ("gate.e_score_correction_bias", "F32", (4,), False),
    ],
)
def test_only_quantized_weights_have_small_types(
    name: str, dtype: str, shape: tuple[int, ...], is_quantized: bool
) -> None:
    found = quantization_in_tensors({name: StoredTensor(0, 0, dtype, shape)})
    assert found == (f"{name} is of type {dtype}" if is_quantized else None)
