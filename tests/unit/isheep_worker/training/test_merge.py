"""Merged weights give the logits of base and adapter, in the layout of the base's files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from isheep.recipes.settings import LoraSettings
from isheep_worker.engines.causal_model import load_model
from isheep_worker.training.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS, save_adapter
from isheep_worker.training.merge import MergeError, merge
from isheep_worker.training.targets import add_adapter

IDS = torch.arange(3, 43).unsqueeze(0)
TEMPLATE = "{{ messages[0]['content'] }}"


def _adapter(base: Path, folder: Path, **lora: Any) -> Path:
    """Save an adapter of random values that are large enough to change the logits."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    fields = {"task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 12, "target_modules": "all-linear"}
    config = LoraConfig(**fields | lora, init_lora_weights=False)
    save_adapter(get_peft_model(model, config), folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _adapter(tiny_model_dir, tmp_path_factory.mktemp("adapter"))


def _merge(adapter: Path, base: Path, out: Path) -> Any:
    return merge(adapter, base, out, chat_template=TEMPLATE, stop_token_ids=(2, 0, 2))


def _logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(IDS).logits  # type: ignore[no-any-return]


def _load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _assert_like_peft(merged: Path, base: Path, adapter: Path) -> None:
    found = _logits(_load(merged))
    together = PeftModel.from_pretrained(_load(base), str(adapter))
    assert (found - _logits(together)).abs().max() < 1e-4
    assert (found - _logits(together.merge_and_unload())).abs().max() < 1e-5
    # Without the adapter the logits differ clearly.
    assert (found - _logits(_load(base))).abs().max() > 1e-2


def test_merged_weights_give_the_logits_of_base_and_adapter(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    files = _merge(adapter, tiny_model_dir, tmp_path)
    _assert_like_peft(tmp_path, tiny_model_dir, adapter)
    assert files.files == ("model.safetensors",)
    assert files.merged_tensors == 14
    assert files.weight_bytes == (tiny_model_dir / "model.safetensors").stat().st_size


def test_the_shards_and_their_index_are_those_of_the_base(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    _load(tiny_model_dir).save_pretrained(base, max_shard_size="100KB")
    # Some repositories contain their weights a second time, in another format.
    save_file({"other": torch.zeros(1)}, base / "consolidated.safetensors")
    files = _merge(adapter, base, out)
    assert len(files.files) > 1
    assert "consolidated.safetensors" not in files.files
    assert sorted(path.name for path in out.glob("*.safetensors")) == list(files.files)
    index = "model.safetensors.index.json"
    assert (out / index).read_bytes() == (base / index).read_bytes()
    _assert_like_peft(out, base, adapter)


def test_the_transposed_matrices_of_gpt2_are_merged(tmp_path: Path) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    torch.manual_seed(0)
    GPT2LMHeadModel(
        GPT2Config(vocab_size=64, n_positions=64, n_embd=32, n_layer=1, n_head=2)
    ).save_pretrained(base)
    adapter = _adapter(base, tmp_path / "adapter")
    _merge(adapter, base, out)
    _assert_like_peft(out, base, adapter)


def test_the_sum_is_computed_in_float32_and_rounded_once(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    half = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.bfloat16)
    half.save_pretrained(base)
    _merge(adapter, base, out)
    name = "model.layers.1.mlp.up_proj"
    weights = load_file(adapter / ADAPTER_WEIGHTS)
    stem = f"base_model.model.{name}.lora_"
    delta = 3.0 * weights[f"{stem}B.weight"] @ weights[f"{stem}A.weight"]
    before, after = (load_file(folder / "model.safetensors") for folder in (base, out))
    expected = (before[f"{name}.weight"].float() + delta).to(torch.bfloat16)
    difference = (after[f"{name}.weight"].float() - expected.float()).abs()
    # The two products may differ in the last bit of float32, which may change the rounding.
    assert (difference <= expected.abs().float() * 2**-7).all()
    assert (difference == 0).float().mean() > 0.99
    untouched = before.keys() - {f"{key[17:-14]}.weight" for key in weights}
    assert untouched
    assert all(torch.equal(before[key], after[key]) for key in untouched)


def test_the_tied_output_layer_stays_tied(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    _merge(adapter, tiny_model_dir, tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    model = _load(tmp_path)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_the_configuration_has_the_chat_template_and_the_end_of_turn_tokens(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    _merge(adapter, tiny_model_dir, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    message = [{"role": "user", "content": "hello"}]
    assert tokenizer.apply_chat_template(message, tokenize=False) == "hello"
    for name in ("config.json", "generation_config.json"):
        assert json.loads((tmp_path / name).read_text())["eos_token_id"] == [0, 2]
    assert _load(tmp_path).generation_config.eos_token_id == [0, 2]


def test_code_and_pickles_are_not_copied(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    shutil.copytree(tiny_model_dir, base)
    for name in ("pytorch_model.bin", "modeling_own.py", "LICENSE"):
        (base / name).write_text(name)
    _merge(adapter, base, out)
    copied = {path.name for path in out.iterdir()}
    assert {"LICENSE", "tokenizer.json"} <= copied
    assert not {"pytorch_model.bin", "modeling_own.py"} & copied


def test_merging_twice_gives_the_same_bytes(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        _merge(adapter, tiny_model_dir, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def _changed_config(adapter: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(adapter, folder)
    path = folder / ADAPTER_CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"use_rslora": True}, "use_rslora"),
        ({"bias": "all"}, "bias"),
        ({"peft_type": "IA3"}, "IA3"),
    ],
)
def test_an_adapter_of_another_kind_is_refused_by_name(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    other = _changed_config(adapter, tmp_path / "adapter", **changes)
    with pytest.raises(MergeError, match=named):
        _merge(other, tiny_model_dir, tmp_path / "out")


def test_an_adapter_of_another_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=64, n_positions=64, n_embd=32, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(base)
    with pytest.raises(MergeError, match="the adapter belongs to another base"):
        _merge(adapter, base, tmp_path / "out")


def test_an_adapter_of_another_rank_than_its_configuration_is_refused(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    other = _changed_config(adapter, tmp_path / "adapter", rank_pattern={"q_proj": 2})
    with pytest.raises(MergeError, match=r"q_proj\.lora_A\.weight with shape \[4, 64\].*\[2, 64\]"):
        _merge(other, tiny_model_dir, tmp_path / "out")


def test_a_base_with_other_shapes_than_its_configuration_is_refused(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_model_dir, base)
    tensors = load_file(base / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    tensors[name] = tensors[name].T.contiguous()
    save_file(tensors, base / "model.safetensors")
    with pytest.raises(MergeError, match=r"up_proj.weight has shape \[128, 64\] in the model"):
        _merge(adapter, base, tmp_path / "out")


def test_a_quantized_base_is_refused(tiny_model_dir: Path, adapter: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_model_dir, base)
    tensors = load_file(base / "model.safetensors")
    save_file(
        {name: tensor.to(torch.int8) for name, tensor in tensors.items()},
        base / "model.safetensors",
    )
    with pytest.raises(MergeError, match="type I8, into which an adapter cannot be merged"):
        _merge(adapter, base, tmp_path / "out")


def test_an_adapter_of_a_diverged_training_is_refused(
    tiny_model_dir: Path, adapter: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "adapter"
    shutil.copytree(adapter, broken)
    weights = load_file(broken / ADAPTER_WEIGHTS)
    weights[next(iter(weights))].fill_(float("nan"))
    save_file(weights, broken / ADAPTER_WEIGHTS)
    with pytest.raises(MergeError, match="not finite"):
        _merge(broken, tiny_model_dir, tmp_path / "out")


def test_a_base_without_safetensors_is_refused(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(MergeError, match="convert the base to safetensors"):
        _merge(adapter, tmp_path, tmp_path / "out")


ARCHITECTURES = (
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "gpt_oss",
    "deepseek_v3",
    "gemma2",
    "gemma3",
    "mistral3",
    "qwen3_5",
    "qwen3_5_moe",
    "llama4",
    "jamba",
)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_merged_weights_of_each_architecture_give_the_logits_of_base_and_adapter(
    name: str, architecture_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    base, out = architecture_dir(name), tmp_path / "out"
    settings = LoraSettings(r=4, alpha=8, dropout=0.05, target_modules="AllLinear")
    model = load_model(base, dtype=torch.float32)
    before = _logits(model)
    adapted = add_adapter(model, settings)
    torch.manual_seed(1)
    with torch.no_grad():
        for value in adapted.parameters():
            if value.requires_grad:
                value.normal_(0, 0.1)
    together = _logits(adapted)
    save_adapter(adapted, tmp_path / "adapter")
    _merge(tmp_path / "adapter", base, out)
    found = _logits(load_model(out, dtype=torch.float32))
    assert (found - together).abs().max() < 1e-5
    assert (found - before).abs().max() > 0.1
    _assert_same_layout(base, out)


def _assert_same_layout(base: Path, out: Path) -> None:
    """Assert that the file has the base's tensors, and that its vision tower is unchanged."""
    old, new = (load_file(folder / "model.safetensors") for folder in (base, out))
    assert {name: value.shape for name, value in old.items()} == {
        name: value.shape for name, value in new.items()
    }
    for name in old:
        if "vision" in name or "visual" in name or "embed_tokens" in name:
            assert torch.equal(old[name], new[name])


def test_the_rank_and_scale_of_single_layers_are_those_of_the_adapter(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    adapter = _adapter(
        tiny_model_dir,
        tmp_path / "adapter",
        rank_pattern={"q_proj": 2},
        alpha_pattern={"v_proj": 40},
    )
    _merge(adapter, tiny_model_dir, tmp_path / "out")
    _assert_like_peft(tmp_path / "out", tiny_model_dir, adapter)
