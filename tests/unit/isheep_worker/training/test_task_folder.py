"""A node's worker and its training processes exchange files through a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isheep.contract.order import RunRef, Sources, StageOrder, Step
from isheep.contract.reasons import Reason
from isheep.contract.store_spec import parse_store_uri
from isheep_worker.runtime.failures import Failure
from isheep_worker.training.outcome import LogRow, TrainingOutcome
from isheep_worker.training.sample_answers import SampleAnswer
from isheep_worker.training.task_folder import Task, TaskFolder


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


def test_a_written_task_is_read_unchanged(settings: Any, split: Any, tmp_path: Path) -> None:
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


def test_an_empty_validation_set_can_be_written(settings: Any, split: Any, tmp_path: Path) -> None:
    folder = TaskFolder(tmp_path)
    folder.write_task(a_task(settings(max_samples=3), tmp_path), split(9, 0.0))
    _, rows = folder.read_task()
    assert len(rows.validation) == 0


def test_progress_stop_failures_and_outcome_are_read_unchanged(tmp_path: Path) -> None:
    folder = TaskFolder(tmp_path)
    assert (folder.progress(), folder.stop_is_requested(), folder.failures()) == (None, False, {})
    folder.write_progress(3, 9, 0.5)
    folder.request_stop()
    assert folder.progress() == (3, 9, 0.5)
    assert folder.stop_is_requested()
    failure = Failure.of(Reason.DISK_FAILED, "full \ud800")
    folder.write_failure(5, failure)
    assert folder.failures() == {5: failure}
    log = (LogRow(1, 2.0, 0.1, 1.0, 3.0), LogRow(2, 1.5, 0.1, 1.0, 3.0, eval_loss=1.0))
    outcome = TrainingOutcome(True, 2, 2, 2, log, 2048, False, None, "other versions", 1.0, 2.0)
    samples = [SampleAnswer("q", None, "a")]
    folder.write_outcome(outcome, samples)
    assert (folder.outcome(), folder.samples()) == (outcome, samples)
