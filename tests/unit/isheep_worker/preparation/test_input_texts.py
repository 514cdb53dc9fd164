"""prepare reads seed tasks and benchmarks in any format, and stores them in one."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from isheep.contract.order import Sources, StageOrder
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.store.folder import FolderStore
from isheep_worker.inputs.seed_tasks import SeedTaskError, read_seed_tasks
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.preparation.input_texts import InputTexts


def texts(folder: Path, **sources: Any) -> InputTexts:
    given = {"model": "hf://org/tiny", "seed_tasks": "builtin:Default", **sources}
    order = SimpleNamespace(
        sources=Sources(**given), store=StoreSpec(folder=FolderStoreSpec(path=str(folder)))
    )
    return InputTexts(cast(StageOrder, order), Inputs(FolderStore(folder), "ns"))


def test_the_seed_tasks_become_a_plain_document_and_what_is_ignored_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dolly = {"instruction": "Sum up.", "context": "A text.", "response": "It.", "category": "x"}
    file = tmp_path / "seeds"
    file.write_bytes(gzip.compress(json.dumps([dolly]).encode()))
    with caplog.at_level(logging.WARNING):
        found = texts(tmp_path / "store", seed_tasks=str(file)).seed_tasks()
    (task,) = read_seed_tasks(found.content, "stored")
    assert (task.instruction, task.input, task.output) == ("Sum up.", "A text.", "It.")
    assert found.name == str(file)
    assert f"{file}: ignored columns (records): 'category' (1)" in caplog.text


def test_a_plain_file_keeps_its_bytes_and_a_bad_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "seeds.jsonl"
    file.write_bytes(b'{"instruction": "Sing.", "mine": 1}\n')
    assert texts(tmp_path, seed_tasks=str(file)).seed_tasks().content == file.read_bytes()
    file.write_bytes(b'{"instruction": "Sing.", "output": "a", "response": "b"}\n')
    with pytest.raises(SeedTaskError, match="'response' and 'output' are different"):
        texts(tmp_path, seed_tasks=str(file)).seed_tasks()


def test_a_benchmark_is_stored_as_one_text_a_line(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps([{"q": "Which?"}, {"q": "Why?"}], indent=1))
    found = texts(tmp_path, benchmarks={"b": str(file)}).benchmarks()
    assert found == {"b": b'"Which?"\n"Why?"\n'}
