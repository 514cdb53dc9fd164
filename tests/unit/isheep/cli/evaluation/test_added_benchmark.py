"""The benchmark that `isheep evaluate` adds to a spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from isheep.cli.evaluation.added_benchmark import (
    AddedBenchmark,
    data_uri,
    default_name,
    with_benchmark,
)
from isheep.cli.terminal.errors import BadInputError


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("ifeval", "ifeval"),
        ("arc_easy", "arc-easy"),
        ("MMLU_Pro_", "mmlu-pro"),
        ("a" * 40, "a" * 32),
    ],
)
def test_the_name_follows_from_the_task(task: str, name: str) -> None:
    assert default_name(task) == name


def test_only_given_options_are_fields_and_nothing_is_dropped_from_the_training() -> None:
    assert AddedBenchmark("ifeval").fields() == {"name": "ifeval", "task": "ifeval"}
    full = AddedBenchmark("ifeval", "rules", "s3://bucket/a.jsonl", 9, 0, "Chat").fields()
    assert full == {
        "name": "rules",
        "task": "ifeval",
        "storageUri": "s3://bucket/a.jsonl",
        "limit": 9,
        "numFewShot": 0,
        "promptFormat": "Chat",
    }


def test_a_path_becomes_a_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "items.jsonl").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert data_uri("items.jsonl") == f"file://{tmp_path}/items.jsonl"
    assert data_uri("pvc://claim/items.jsonl") == "pvc://claim/items.jsonl"
    with pytest.raises(BadInputError, match="there is no such file"):
        data_uri("other.jsonl")


def test_the_benchmarks_of_the_run_stay() -> None:
    quiz, rules = {"name": "quiz", "task": "arc_easy"}, {"name": "rules", "task": "ifeval"}
    assert with_benchmark({}, quiz) == [quiz]
    spec = {"evaluation": {"benchmarks": [quiz]}}
    assert with_benchmark(spec, rules) == [quiz, rules]
    assert with_benchmark(spec, quiz) == [quiz]
    with pytest.raises(BadInputError, match="another benchmark named quiz"):
        with_benchmark(spec, {**quiz, "limit": 3})
