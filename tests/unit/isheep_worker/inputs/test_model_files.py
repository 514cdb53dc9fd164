import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from isheep_worker.inputs import model_files
from isheep_worker.inputs.model_files import (
    ModelFiles,
    ModelFilesError,
    eos_token_ids,
    inspect_model,
)


@pytest.fixture
def model(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def shard(model: Path) -> None:
    """Replace the weights of a model by two shards and an index."""
    (model / "model.safetensors").unlink()
    for name in ("one", "two"):
        save_file({name: np.zeros(4, dtype=np.float32)}, model / f"{name}.safetensors")
    weight_map = {"one": "one.safetensors", "two": "two.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_the_properties_of_a_valid_model_are_read(model: Path):
    found = inspect_model(model)
    assert found == ModelFiles(
        digest=found.digest, architecture="LlamaForCausalLM", dtype="float32", max_length=4096
    )
    assert eos_token_ids(model) == (2,)


def test_dtype_and_length_are_read_from_old_names_and_from_a_text_config(model: Path):
    text = {"max_position_embeddings": 128, "dtype": "bfloat16"}
    edit(model / "config.json", dtype=None, text_config=text)
    assert (inspect_model(model).dtype, inspect_model(model).max_length) == ("bfloat16", 128)
    edit(model / "config.json", torch_dtype="torch.float16")
    assert inspect_model(model).dtype == "float16"


def test_all_eos_tokens_of_both_configurations_are_read(model: Path):
    edit(model / "generation_config.json", eos_token_id=[7, 2])
    assert eos_token_ids(model) == (2, 7)


def test_a_model_in_shards_is_valid(model: Path):
    shard(model)
    assert inspect_model(model).architecture == "LlamaForCausalLM"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def make_pickle_only(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def drop_shard(model: Path) -> None:
    shard(model)
    (model / "two.safetensors").unlink()


def empty_shard(model: Path) -> None:
    shard(model)
    save_file({"other": np.zeros(4, dtype=np.float32)}, model / "two.safetensors")


def quantize(model: Path) -> None:
    save_file({"model.norm.weight": np.zeros((4, 4), dtype=np.int8)}, model / "model.safetensors")


def keep_only_gguf(model: Path) -> None:
    (model / "config.json").unlink()
    (model / "model.safetensors").rename(model / "model-Q4_K_M.gguf")


def escaping_shard(model: Path) -> None:
    shard(model)
    edit(model / "model.safetensors.index.json", weight_map={"one": "../one.safetensors"})


@pytest.mark.parametrize(
    ("damage", "texts"),
    [
        (shutil.rmtree, ["the folder does not exist", "model.storageUri"]),
        (
            lambda m: (m / "config.json").unlink(),
            ["config.json: the file is missing", "save_pretrained"],
        ),
        (
            lambda m: (m / "config.json").rename(m / "adapter_config.json"),
            ["this is an adapter", "merge"],
        ),
        (
            lambda m: (m / "adapter_config.json").write_text("{}"),
            ["also has an adapter", "remove the file"],
        ),
        (lambda m: (m / "config.json").write_text("{"), ["config.json: the file is not JSON"]),
        (
            lambda m: (m / "config.json").write_text("[]"),
            ["config.json: the file is not a JSON object"],
        ),
        (lambda m: edit(m / "config.json", architectures=[]), ["config.json", "architectures"]),
        (
            lambda m: edit(m / "config.json", model_type="mine", auto_map={"AutoModel": "m.M"}),
            ["auto_map", "never run"],
        ),
        (lambda m: edit(m / "config.json", model_type="mine"), ["model_type 'mine'", "newer"]),
        (make_pickle_only, ["pytorch_model.bin", "pickle", "save_pretrained"]),
        (
            lambda m: (m / "model.safetensors").unlink(),
            ["there are no weights", "model.safetensors"],
        ),
        (
            lambda m: cut(m / "model.safetensors"),
            ["model.safetensors: the file is incomplete or corrupt"],
        ),
        (lambda m: (m / "tokenizer.json").unlink(), ["there is no tokenizer", "save_pretrained"]),
        (drop_shard, ["two.safetensors: the file is missing", "index.json names it"]),
        (empty_shard, ["two.safetensors: the tensor two is missing"]),
        (escaping_shard, ["'../one.safetensors' is not a plain file name"]),
        (
            lambda m: edit(m / "config.json", quantization_config={"quant_method": "gptq"}),
            ["the weights are quantized (gptq, in quantization_config", "float weights"],
        ),
        (
            lambda m: (m / "quantize_config.json").write_text("{}"),
            ["the weights are quantized (gptq, by the file quantize_config.json)"],
        ),
        (quantize, ["quantized (model.norm.weight is of type I8)", "bfloat16"]),
        (keep_only_gguf, ["model-Q4_K_M.gguf: the weights are in GGUF", "float weights"]),
    ],
)
def test_a_damaged_model_is_refused_with_its_file_and_a_remedy(
    model: Path, damage, texts: list[str]
):
    damage(model)
    with pytest.raises(ModelFilesError) as caught:
        inspect_model(model)
    for text in texts:
        assert text in str(caught.value)


def test_code_in_the_folder_is_ignored_if_transformers_supports_the_model(model: Path):
    edit(model / "config.json", auto_map={"AutoModelForCausalLM": "modeling.Mine"})
    inspect_model(model)


def change_a_weight(model: Path) -> None:
    path = model / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        change_a_weight,
        lambda m: edit(m / "config.json", rms_norm_eps=1.0),
        lambda m: (m / "chat_template.jinja").write_text("{{ messages }}"),
    ],
)
def test_the_digest_changes_with_every_file_that_changes_the_model(model: Path, change):
    before = inspect_model(model).digest
    change(model)
    assert inspect_model(model).digest != before


def test_the_digest_ignores_files_that_do_not_change_the_model(model: Path):
    before = inspect_model(model).digest
    (model / "README.md").write_text("A model.")
    assert inspect_model(model).digest == before


def test_large_weights_are_sampled_in_every_stride(model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(model_files, "FULL_HASH_BYTES", 1024)
    monkeypatch.setattr(model_files, "SAMPLE_BLOCK", 64)
    monkeypatch.setattr(model_files, "SAMPLE_STRIDE", 256)
    path = model / "model.safetensors"
    content = path.read_bytes()
    before = inspect_model(model).digest
    start = (len(content) - 1024) // 256 * 256
    path.write_bytes(content[:start] + bytes(256) + content[start + 256 :])
    assert inspect_model(model).digest != before
