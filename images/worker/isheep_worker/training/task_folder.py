"""The folder through which a node's worker and its training processes exchange files.

The worker prepares the rows once and writes them into the folder. The training processes read
the rows, and write their progress, the outcome, or the cause of a failure. The file `stop`
requests a stop at the end of a step. Each node has its own folder with the same task.

    task.json  train/  validation/                     the task and its rows
    stop                                               a stop is requested
    progress.json                                      the progress of the training
    outcome.json  samples.json  adapter/               the result; the last two on node 0
    failure-<rank>.json                                the cause of a process's failure
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isheep.contract.order import StageOrder, Step, canonical_order, parse_order
from isheep.recipes.settings import TrainSettings
from isheep_worker.runtime.failures import Failure
from isheep_worker.training.dataset import Split, TrainingRows
from isheep_worker.training.outcome import LogRow, TrainingOutcome
from isheep_worker.training.sample_answers import SampleAnswer

_TASK = "task.json"
_STOP = "stop"
_PROGRESS = "progress.json"
_OUTCOME = "outcome.json"
_SAMPLES = "samples.json"
_ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Task:
    """One training: the step `step_id` of the order, on prepared rows.

    `base` is the folder of the model to start from, `tokenizer` the folder of M(0)'s tokenizer.
    `questions` are the token ids of the questions that the trained model answers. If
    `with_base`, the base answers them too.
    """

    order: StageOrder
    step_id: str
    seed: int
    base: Path
    tokenizer: Path
    questions: Sequence[Sequence[int]]
    with_base: bool

    @property
    def step(self) -> Step:
        """The order's step with the id `step_id`."""
        return next(step for step in self.order.steps if step.id == self.step_id)

    @property
    def settings(self) -> TrainSettings:
        """The settings of the step."""
        return TrainSettings.model_validate(self.step.settings)


class TaskFolder:
    """The folder of one node; `root` must exist."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.adapter = root / _ADAPTER

    def write_task(self, task: Task, data: Split) -> None:
        """Write the task and its rows."""
        document = asdict(task) | {
            "order": canonical_order(task.order),
            "base": str(task.base),
            "tokenizer": str(task.tokenizer),
        }
        data.train.save(self.root / "train")
        data.validation.save(self.root / "validation")
        self._write(_TASK, document)

    def read_task(self) -> tuple[Task, Split]:
        """Return the task and its rows, as `write_task` wrote them."""
        document = self._read(_TASK)
        task = Task(
            order=parse_order(document.pop("order")),
            base=Path(document.pop("base")),
            tokenizer=Path(document.pop("tokenizer")),
            **document,
        )
        train = TrainingRows.open(self.root / "train")
        return task, Split(train, TrainingRows.open(self.root / "validation"))

    def request_stop(self) -> None:
        """Request that the processes stop at the end of a step."""
        (self.root / _STOP).touch()

    def stop_is_requested(self) -> bool:
        """Return whether a stop is requested."""
        return (self.root / _STOP).exists()

    def write_progress(self, step: int, steps: int, loss: float) -> None:
        """Write the progress of the training: step, number of steps, and loss in nats a token.

        A training that has not loaded its model yet is at step 0 of 0.
        """
        self._write(_PROGRESS, [step, steps, loss])

    def progress(self) -> tuple[int, int, float] | None:
        """Return step, number of steps and loss, or None if no process has started yet."""
        if not (self.root / _PROGRESS).exists():
            return None
        step, steps, loss = self._read(_PROGRESS)
        return step, steps, loss

    def write_outcome(self, outcome: TrainingOutcome, samples: Sequence[SampleAnswer]) -> None:
        """Write the outcome of the training and the model's answers to the questions."""
        self._write(_SAMPLES, [asdict(row) for row in samples])
        self._write(_OUTCOME, asdict(outcome))

    def outcome(self) -> TrainingOutcome:
        """Return the outcome of the training."""
        document: Mapping[str, Any] = self._read(_OUTCOME)
        log = tuple(LogRow(**row) for row in document["log"])
        return TrainingOutcome(**{**document, "log": log})

    def samples(self) -> list[SampleAnswer]:
        """Return the model's answers to the questions."""
        return [SampleAnswer(**row) for row in self._read(_SAMPLES)]

    def write_failure(self, rank: int, failure: Failure) -> None:
        """Write the cause of a process's failure."""
        self._write(f"failure-{rank}.json", asdict(failure))

    def failures(self) -> dict[int, Failure]:
        """Return the causes of failures of this node's processes, by rank."""
        found = {}
        for path in self.root.glob("failure-*.json"):
            found[int(path.stem.removeprefix("failure-"))] = Failure.from_document(
                self._read(path.name)
            )
        return found

    def _write(self, name: str, document: Any) -> None:
        # Another process may read the file at the same time, so replace it atomically.
        part = self.root / f".{name}.part"
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(self.root / name)

    def _read(self, name: str) -> Any:
        return json.loads((self.root / name).read_text(encoding="utf-8"))
