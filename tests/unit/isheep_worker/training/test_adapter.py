"""peft reads an adapter's files, which contain no path of this machine and never vary."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from isheep_worker.training.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS, save_adapter


def test_peft_reads_a_saved_adapter(tiny_model_dir: Path, tmp_path: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    lora = LoraConfig(
        task_type="CAUSAL_LM", r=2, target_modules="all-linear", init_lora_weights=False
    )
    model = get_peft_model(base, lora).eval()
    ids = torch.arange(20).unsqueeze(0)
    with torch.no_grad():
        expected = model(ids).logits
        save_adapter(model, tmp_path)
        fresh = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
        found = PeftModel.from_pretrained(fresh, str(tmp_path)).eval()(ids).logits
    assert torch.equal(found, expected)


def test_an_adapters_files_depend_neither_on_the_process_nor_on_the_machine(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    base = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    lora = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
    save_adapter(get_peft_model(base, lora), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [ADAPTER_CONFIG, ADAPTER_WEIGHTS]
    text = (tmp_path / ADAPTER_CONFIG).read_text()
    assert str(tiny_model_dir) not in text
    config = json.loads(text)
    # peft keeps the modules in a set, whose order differs between processes.
    assert len(config["target_modules"]) == 14
    assert config["target_modules"] == sorted(config["target_modules"])
    assert list(config) == sorted(config)
