"""What a task reads from the hub becomes files, with which the same task loads again."""

from __future__ import annotations

from typing import Any

import datasets
import pytest
from tests.unit.isheep_worker.evaluation.conftest import QUESTIONS

from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.hub_data import hub_files
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.runtime.errors import BadInputError


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


def test_data_sets_of_a_group_whose_splits_have_the_same_names_stay_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rows(path: str, name: str | None = None, **_: Any) -> Any:
        some = [
            {"query": f"{path} {number}?", "choices": ["a", "b"], "gold": [0], "answer": "1"}
            for number in range(3)
        ]
        return datasets.DatasetDict({"test": datasets.Dataset.from_list(some)})

    monkeypatch.setattr(datasets, "load_dataset", rows)
    settings = BenchmarkSettings("agieval_cn")
    files = hub_files(lambda: load_benchmark(settings, None))
    assert "hails/agieval-jec-qa-ca/test.jsonl" in files.files

    monkeypatch.setattr(datasets, "load_dataset", None)
    again = load_benchmark(settings, files)
    asked = {name: doc["query"] for name in again.tasks for _, doc in again.docs(name)}
    assert asked["agieval_jec_qa_ca"] == "hails/agieval-jec-qa-ca 2?"
    assert len(set(asked.values())) == len(asked) == len(files.files) > 5

    plain = TaskFiles("f", {"test.jsonl": next(iter(files.files.values()))})
    with pytest.raises(
        BadInputError, match="benchmark agieval_cn: f: tasks of the group read test"
    ):
        load_benchmark(settings, plain)
