"""The argument and the return value of a stage program.

A program has access to its step, to the settings that its key was computed from, and to the
services of the worker: artifacts, engine and clock. It has no access to the spec, to other stages
of the run or to the driver, so its output cannot depend on them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from isheep.contract.order import Frontier, Outcome, StageOrder, Step
from isheep.contract.prepared import Prepared
from isheep.recipes.settings import StageSettings
from isheep.store.artifacts import ArtifactStore
from isheep.store.completions import CompletionStore
from isheep_worker.execution.engine_provider import EngineProvider
from isheep_worker.inputs.models import ModelFolders
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.rows.schema import RowCodec, RowT
from isheep_worker.runtime.logs import log_stage
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

_LOG = logging.getLogger(__name__)
SettingsT_co = TypeVar("SettingsT_co", bound=StageSettings, covariant=True)


@dataclass(frozen=True, slots=True)
class StageContext(Generic[SettingsT_co]):
    """Everything that a program may use.

    `scratch` is an empty folder that is deleted after the stage.
    """

    order: StageOrder
    step: Step
    settings: SettingsT_co
    artifacts: ArtifactStore
    inputs: Inputs
    shard: Shard
    models: ModelFolders
    engines: EngineProvider
    stop: StopFlag
    meter: Meter
    progress: Progress
    scratch: Path
    started_at: float
    now: Callable[[], float]

    def log_part(self, part: int, items: int, items_done: int, **fields: object) -> None:
        """Log that a part with a number of items is stored, and how many items are done."""
        log_stage(
            _LOG,
            "part written",
            self.order,
            self.step,
            part=part,
            items=items,
            items_done=items_done,
            seconds=round(self.now() - self.started_at, 3),
            **fields,
        )

    def completions(self) -> CompletionStore:
        """Return the stored completions of the stage's open parts."""
        return CompletionStore(self.artifacts.store, self.order.run.namespace, self.step.key)

    def input_key(self, role: str) -> str:
        """Return the key of the only stage that fills an input role."""
        (key,) = self.step.inputs[role]
        return key

    def rows(self, role: str, codec: RowCodec[RowT]) -> Iterator[RowT]:
        """Return the rows of the only stage that fills an input role."""
        return map(codec.decode, self.artifacts.read_lines(self.input_key(role)))

    def rows_of_all(self, role: str, codec: RowCodec[RowT]) -> Iterator[RowT]:
        """Yield the rows of all stages that fill an input role, stage by stage; possibly none."""
        for key in self.step.inputs.get(role, ()):
            for line in self.artifacts.read_lines(key):
                yield codec.decode(line)


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """How a stage ended: committed, or partial if parts of other workers are missing."""

    outcome: Outcome = Outcome.COMMITTED
    statistics: Mapping[str, float] = field(default_factory=dict)
    prepared: Prepared | None = None
    frontier: Frontier | None = None
