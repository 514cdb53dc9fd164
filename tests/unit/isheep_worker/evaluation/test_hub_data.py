"""What a task reads from the hub becomes files, with which the same task loads again."""

from __future__ import annotations

from typing import Any

import datasets
import pytest
from tests.unit.isheep_worker.evaluation.conftest import QUESTIONS

from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.hub_data import hub_files
from isheep_worker.evaluation.settings import BenchmarkSettings


def test_the_splits_that_a_task_reads_become_files(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def from_hub(path: str, name: str | None = None, **_: Any) -> Any:
        asked.append((path, name))
        rows = {"test": QUESTIONS, "train": QUESTIONS[:4], "validation": QUESTIONS[:1]}
        return datasets.DatasetDict(
            {split: datasets.Dataset.from_list(some) for split, some in rows.items()}
        )

    monkeypatch.setattr(datasets, "load_dataset", from_hub)
    settings = BenchmarkSettings("arc_easy", num_fewshot=2, limit=3)
    files = hub_files(lambda: load_benchmark(settings, None))
    assert asked == [("allenai/ai2_arc", "ARC-Easy")]
    assert set(files.files) >= {"ARC-Easy/test.jsonl", "ARC-Easy/train.jsonl"}
    assert datasets.load_dataset is from_hub

    monkeypatch.setattr(datasets, "load_dataset", None)
    again = load_benchmark(settings, files)
    assert [doc for _, doc in again.docs("arc_easy")] == [
        QUESTIONS[number] for number in again.items["arc_easy"]
    ]
