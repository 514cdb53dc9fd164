"""The folder between a node's worker and its training processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import RunRef, Sources, StageOrder, Step
from isheep.contract.store_spec import parse_store_uri
from isheep_worker.runtime.orders import Failure
from isheep_worker.training.dataset import IGNORED_LABEL
from isheep_worker.training.packing import pack
from isheep_worker.training.samples import SampleRow
from isheep_worker.training.sft import LogRow, TrainingOutcome
from isheep_worker.training.task import Task, TaskFolder


def a_task(settings: Any, store: Path) -> Task:
    step = Step(
        id="i2/train",
        kind="train",
        version=1,
        key="a" * 64,
        iteration=2,
        settings=settings.canonical(),
    )
    order = StageOrder(
        run=RunRef(namespace="ns", name="run", uid="u"),
        store=parse_store_uri(str(store)),
        sources=Sources(model="file:///model"),
        steps=(step,),
    )
    questions = [[1, 2, 3], [4]]
    return Task(order, step.id, 7, Path("/base"), Path("/tokenizer"), questions, False)


def test_what_is_written_is_what_is_read(settings: Any, split: Any, tmp_path: Path) -> None:
    folder, data = TaskFolder(tmp_path), split()
    task = a_task(settings(max_samples=3), tmp_path / "store")
    folder.write_task(task, data)
    read, rows = TaskFolder(tmp_path).read_task()
    assert read == task
    assert read.settings == settings(max_samples=3)
    assert read.step.id == "i2/train"
    for written, found in ((data.train, rows.train), (data.validation, rows.validation)):
        assert len(found) == len(written)
        assert found.label_count == written.label_count
        for index in range(len(written)):
            for name, values in written[index].items():
                assert np.array_equal(found[index][name], values)


def test_no_rows_can_be_written(settings: Any, split: Any, tmp_path: Path) -> None:
    folder = TaskFolder(tmp_path)
    folder.write_task(a_task(settings(max_samples=3), tmp_path), split(9, 0.0))
    _, rows = folder.read_task()
    assert len(rows.validation) == 0


def test_progress_stop_and_end(tmp_path: Path) -> None:
    folder = TaskFolder(tmp_path)
    assert (folder.progress(), folder.is_asked_to_stop(), folder.failures()) == (None, False, {})
    folder.write_progress(3, 9, 0.5)
    folder.ask_to_stop()
    assert folder.progress() == (3, 9, 0.5)
    assert folder.is_asked_to_stop()
    failure = Failure(ExitCode.DISK, "DiskFailed", "full \ud800")
    folder.write_failure(5, failure)
    assert folder.failures() == {5: failure}
    log = (LogRow(1, 2.0, 0.1, 1.0, 3.0), LogRow(2, 1.5, 0.1, 1.0, 3.0, eval_loss=1.0))
    outcome = TrainingOutcome(True, 2, 2, 2, log, 1, None, "other versions", 1.0, 2.0)
    samples = [SampleRow("q", None, "a")]
    folder.write_outcome(outcome, samples)
    assert (folder.outcome(), folder.samples()) == (outcome, samples)


def test_no_rows_are_a_pass_that_teaches_nothing() -> None:
    batch = pack([])
    assert batch["input_ids"].shape == batch["labels"].shape == (1, 1)
    assert batch["labels"].tolist() == [[IGNORED_LABEL]]
