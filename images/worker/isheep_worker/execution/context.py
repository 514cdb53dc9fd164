"""What a stage is given, and what it gives back.

A stage sees its own step, the settings that its key was made from, and the services
of the worker: artifacts, engine, clock. It does not see the spec, the run's other
stages or the driver, so it cannot come to depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from isheep.contract.order import Frontier, Outcome, Prepared, StageOrder, Step
from isheep.recipes.settings import StageSettings
from isheep.store.artifacts import ArtifactStore
from isheep_worker.execution.engine_provider import EngineProvider
from isheep_worker.inputs.models import ModelFolders
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.rows.schema import RowCodec, RowT
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

SettingsT_co = TypeVar("SettingsT_co", bound=StageSettings, covariant=True)


@dataclass(frozen=True, slots=True)
class StageContext(Generic[SettingsT_co]):
    """All that a stage may use. `scratch` is an empty folder that is deleted afterwards."""

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

    def input_key(self, role: str) -> str:
        """Return the key of the one stage that fills a role."""
        (key,) = self.step.inputs[role]
        return key

    def rows(self, role: str, codec: RowCodec[RowT]) -> Iterator[RowT]:
        """Return the rows of the one stage that fills a role."""
        return map(codec.decode, self.artifacts.read_lines(self.input_key(role)))

    def rows_of_all(self, role: str, codec: RowCodec[RowT]) -> Iterator[RowT]:
        """Yield the rows of all stages that fill a role, one stage after the other; maybe none."""
        for key in self.step.inputs.get(role, ()):
            for line in self.artifacts.read_lines(key):
                yield codec.decode(line)


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """How a stage ended: committed, or partial where other workers' parts are missing."""

    outcome: Outcome = Outcome.COMMITTED
    statistics: Mapping[str, float] = field(default_factory=dict)
    prepared: Prepared | None = None
    frontier: Frontier | None = None
