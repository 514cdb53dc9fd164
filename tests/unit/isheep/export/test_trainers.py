"""The libraries for which the formats are made read them as intended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.choices import ExportFileType, ExportFormat
from isheep.export.registry import FORMATS
from isheep.export.rows import Row
from isheep.export.writers import WRITERS

IGNORED = -100
ROWS = [
    Row("p0", "Name two rivers.", "Asia", "Mekong, Indus", "stop", True, {"Quality": 9.0}),
    Row("p1", "Sing.", "", "La la la.", "length", True, {"Quality": 10.0}),
]


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL and datasets report their use to the hub in a thread that outlives the test."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)


def export(folder: Path, form: ExportFormat, kind: ExportFileType = "jsonl") -> Path:
    def lines() -> Iterator[dict[str, Any]]:
        for example in FORMATS[form](lambda: iter(ROWS)):
            yield {**example.columns, "provenance": {"run": "lamb", "model": None, **example.ids}}

    path = folder / f"train.{kind}"
    WRITERS[kind](path, lines)
    return path


def load(path: Path) -> Any:
    from datasets import load_dataset

    builder = "parquet" if path.suffix == ".parquet" else "json"
    return load_dataset(
        builder, data_files=str(path), split="train", cache_dir=str(path.parent / "cache")
    )


def trained_texts(form: ExportFormat, folder: Path, model: Path) -> list[tuple[str, str]]:
    """Return what TRL trains on: the whole text, and the part that counts in the loss."""
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    arguments = SFTConfig(
        output_dir=str(folder / "out"),
        use_cpu=True,
        bf16=False,
        max_length=None,
        report_to="none",
        dataset_num_proc=None,
    )
    tokenizer = AutoTokenizer.from_pretrained(model)
    trainer = SFTTrainer(
        model=str(model),
        args=arguments,
        train_dataset=load(export(folder, form)),
        processing_class=tokenizer,
    )
    found = []
    for row in trainer.train_dataset:
        answer = [token for token in row["labels"] if token != IGNORED]
        found.append((tokenizer.decode(row["input_ids"]), tokenizer.decode(answer)))
    return found


@pytest.mark.parametrize("form", ["prompt-completion", "messages"])
def test_trl_renders_the_chat_template(
    form: ExportFormat, tmp_path: Path, tiny_model_dir: Path
) -> None:
    from transformers import AutoTokenizer

    template = AutoTokenizer.from_pretrained(tiny_model_dir)
    for row, (text, answer) in zip(
        ROWS, trained_texts(form, tmp_path, tiny_model_dir), strict=True
    ):
        messages = [
            {"role": "user", "content": row.message},
            {"role": "assistant", "content": row.response},
        ]
        expected = template.apply_chat_template(messages, tokenize=False)
        assert text == expected
        if form == "prompt-completion":
            prompt = template.apply_chat_template(
                messages[:1], tokenize=False, add_generation_prompt=True
            )
            assert answer == expected.removeprefix(prompt)


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
def test_datasets_loads_each_file_type(kind: ExportFileType, tmp_path: Path) -> None:
    rows = list(load(export(tmp_path, "messages", kind)))
    assert [row["messages"][1]["content"] for row in rows] == ["Mekong, Indus", "La la la."]
    assert [row["scores"] for row in rows] == [{"Quality": 9.0}, {"Quality": 10.0}]
    assert [row["finish_reason"] for row in rows] == ["stop", "length"]
    assert [row["provenance"]["id"] for row in rows] == ["p0", "p1"]


def test_a_loader_of_alpaca_reads_the_list(tmp_path: Path) -> None:
    """Alpaca's and LLaMA-Factory's loaders read one JSON list and these three columns."""
    records = json.loads(export(tmp_path, "alpaca", "json").read_text(encoding="utf-8"))
    assert [(r["instruction"], r["input"], r["output"]) for r in records] == [
        ("Name two rivers.", "Asia", "Mekong, Indus"),
        ("Sing.", "", "La la la."),
    ]
