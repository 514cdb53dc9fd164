"""TRL's SFTTrainer is the oracle: the same rows and settings give the same adapter.

TRL gets the rows as token ids with a mask of the response, pads pairs of rows, computes all
logits, and uses Transformers' own loss. Our trainer runs one row at a time and computes the
logits of the response only. So the results cannot be identical to the bit: floats are added in
another order, which changes a gradient by about 1e-7, and Adam's division by the gradient's root
enlarges the difference for a gradient near 0. Both sides share peft and the loop of Transformers'
Trainer. The test compares the parts that this project implements: rows, labels, truncation,
loss, schedule, batches and seeds.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from isheep_worker.training.adapter import ADAPTER_WEIGHTS
from isheep_worker.training.dataset import Sample, Split, collect_rows, split_rows

TOLERANCE = 1e-4
"""A share of a tensor's norm. Measured: 3e-6; 0.5 without one row, at least 0.01 with one other
label."""
SEED = 2**62 + 5
ROWS_AT_ONCE = 2


def samples(max_length: int) -> list[Sample]:
    """Return random rows. Some exceed the maximum length, but no prompt alone does."""
    draw = random.Random(1)

    def ids(least: int, most: int) -> list[int]:
        return [draw.randrange(300) for _ in range(draw.randrange(least, most))]

    return [Sample(i, ids(1, max_length // 2), ids(1, max_length)) for i in range(21)]


def trl_adapter(base: Path, out: Path, rows: list[Sample], settings: Any) -> tuple[Any, list[Any]]:
    """Train on the same rows with TRL; return the adapter's tensors and the log by step."""
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model_state_dict
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer

    seed = SEED % 2**32
    dataset = Dataset.from_list(
        [
            {
                "input_ids": [*row.prompt_ids, *row.response_ids],
                "completion_mask": [0] * len(row.prompt_ids) + [1] * len(row.response_ids),
            }
            for row in rows
        ]
    )
    arguments = SFTConfig(
        output_dir=str(out),
        seed=seed,
        data_seed=seed,
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=ROWS_AT_ONCE,
        gradient_accumulation_steps=settings.effective_batch_size // ROWS_AT_ONCE,
        num_train_epochs=settings.num_train_epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_steps,
        max_length=settings.max_length,
        completion_only_loss=True,
        optim="adamw_torch",
        save_strategy="no",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
    )
    model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
    set_seed(seed)
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.lora.r,
            lora_alpha=settings.lora.alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
        ),
    )
    trainer.train()
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    return get_peft_model_state_dict(trainer.model), log


def ours(training: Any, settings: Any, rows: list[Sample]) -> tuple[Any, Any]:
    collected, counts = collect_rows(rows, settings.max_length)
    assert counts.cut
    assert not counts.dropped
    data: Split = split_rows(collected, ())
    outcome, out = training(settings=settings, data=data)
    return load_file(out / ADAPTER_WEIGHTS), outcome.log


def test_the_same_rows_and_settings_give_trls_adapter(
    training: Any, settings: Any, tiny_model_dir: Path, tmp_path: Path
) -> None:
    chosen = settings(dropout=0.0, warmup_steps=2)
    rows = samples(chosen.max_length)
    found, log = ours(training, chosen, rows)
    expected, their_log = trl_adapter(tiny_model_dir, tmp_path / "trl", rows, chosen)

    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert (found[name] - tensor).norm() <= TOLERANCE * tensor.norm(), name
    assert [row.learning_rate for row in log] == [e["learning_rate"] for e in their_log]
    assert [row.loss for row in log] == pytest.approx([e["loss"] for e in their_log], rel=1e-4)
    assert [row.grad_norm for row in log] == pytest.approx(
        [e["grad_norm"] for e in their_log], rel=1e-3
    )


def test_a_missing_row_exceeds_the_tolerance(training: Any, settings: Any) -> None:
    """The tolerance distinguishes two different training sets."""
    chosen = settings(dropout=0.0, warmup_steps=2)
    rows = samples(chosen.max_length)
    whole, _ = ours(training, chosen, rows)
    other, _ = ours(training, chosen, rows[:-1])
    assert max((other[n] - t).norm() / t.norm() for n, t in whole.items()) > 100 * TOLERANCE
