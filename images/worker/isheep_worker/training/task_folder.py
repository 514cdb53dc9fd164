"""What the processes of one training are told, and what they leave: a folder of a node.

The stage prepares the rows once and writes them here; its training processes read them,
and write how far they are, how it ended or why it failed. A file `stop` asks them to stop
at the end of a step. Each node has a folder of its own with the same task in it.

    task.json  train/  validation/                     what to do
    stop                                               asked to stop
    progress.json                                      how far the training is
    outcome.json  samples.json  adapter/               how it ended; the last two on node 0
    failure-<rank>.json                                why a process failed
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isheep.contract.order import StageOrder, Step, canonical_order, parse_order
from isheep.recipes.settings import TrainSettings
from isheep_worker.runtime.orders import Failure
from isheep_worker.training.dataset import Split, TrainingRows
from isheep_worker.training.samples import SampleRow
from isheep_worker.training.sft import LogRow, TrainingOutcome

_TASK = "task.json"
_STOP = "stop"
_PROGRESS = "progress.json"
_OUTCOME = "outcome.json"
_SAMPLES = "samples.json"
_ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Task:
    """One training: the step `step_id` of the order on rows that are ready.

    `base` is the folder of the model to start from, `tokenizer` that of M(0)'s; `questions`
    are the token ids of those to answer at the end, by the base as well where `base_too`.
    """

    order: StageOrder
    step_id: str
    seed: int
    base: Path
    tokenizer: Path
    questions: Sequence[Sequence[int]]
    base_too: bool

    @property
    def step(self) -> Step:
        """The step of the order."""
        return next(step for step in self.order.steps if step.id == self.step_id)

    @property
    def settings(self) -> TrainSettings:
        """The settings of the step."""
        return TrainSettings.model_validate(self.step.settings)


class TaskFolder:
    """The folder of one node; `root` exists."""

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
        """Return the task and its rows."""
        document = self._read(_TASK)
        task = Task(
            order=parse_order(document.pop("order")),
            base=Path(document.pop("base")),
            tokenizer=Path(document.pop("tokenizer")),
            **document,
        )
        train = TrainingRows.open(self.root / "train")
        return task, Split(train, TrainingRows.open(self.root / "validation"))

    def ask_to_stop(self) -> None:
        """Ask the processes to stop at the end of a step."""
        (self.root / _STOP).touch()

    def is_asked_to_stop(self) -> bool:
        """Return whether they are asked to."""
        return (self.root / _STOP).exists()

    def write_progress(self, step: int, steps: int, loss: float) -> None:
        """Say how far the training is; 0 steps of 0 where it has yet to load its model."""
        self._write(_PROGRESS, [step, steps, loss])

    def progress(self) -> tuple[int, int, float] | None:
        """Return how far the training is; None where no process has begun."""
        if not (self.root / _PROGRESS).exists():
            return None
        step, steps, loss = self._read(_PROGRESS)
        return step, steps, loss

    def write_outcome(self, outcome: TrainingOutcome, samples: Sequence[SampleRow]) -> None:
        """Leave how the training ended, and the answers at its end."""
        self._write(_SAMPLES, [asdict(row) for row in samples])
        self._write(_OUTCOME, asdict(outcome))

    def outcome(self) -> TrainingOutcome:
        """Return how the training ended."""
        document: Mapping[str, Any] = self._read(_OUTCOME)
        log = tuple(LogRow(**row) for row in document["log"])
        return TrainingOutcome(**{**document, "log": log})

    def samples(self) -> list[SampleRow]:
        """Return the answers at its end."""
        return [SampleRow(**row) for row in self._read(_SAMPLES)]

    def write_failure(self, rank: int, failure: Failure) -> None:
        """Leave why a process failed."""
        self._write(f"failure-{rank}.json", asdict(failure))

    def failures(self) -> dict[int, Failure]:
        """Return why processes of this node failed, by rank."""
        found = {}
        for path in self.root.glob("failure-*.json"):
            found[int(path.stem.removeprefix("failure-"))] = Failure(**self._read(path.name))
        return found

    def _write(self, name: str, document: Any) -> None:
        # Readers look while it is written.
        part = self.root / f".{name}.part"
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(self.root / name)

    def _read(self, name: str) -> Any:
        return json.loads((self.root / name).read_text(encoding="utf-8"))
