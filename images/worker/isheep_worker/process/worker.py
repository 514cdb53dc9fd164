"""An order carried out, step by step: what both of the worker's modes have in common.

Before a step does anything it looks for its manifest: what is committed is adopted,
and no model is loaded for it. Every exception ends here, in a result.
"""

from __future__ import annotations

import importlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError, Outcome, StageOrder, StageResult, Step, StepResult
from isheep.contract.store_spec import StoreSpec
from isheep.recipes import settings as s
from isheep.recipes.interface import StageKind
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.engine_provider import EngineProvider
from isheep_worker.execution.references import note_use
from isheep_worker.inputs.models import ModelFolders, cache_folder
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.runtime.failures import failure_of
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard, check_versions, failed
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

_LOG = logging.getLogger(__name__)

SETTINGS: Mapping[StageKind, type[s.StageSettings]] = {
    StageKind.PREPARE: s.PrepareSettings,
    StageKind.GENERATE: s.GenerateSettings,
    StageKind.CURATE: s.CurateSettings,
    StageKind.TOPICS: s.TopicsSettings,
    StageKind.CLASSIFY: s.ClassifySettings,
    StageKind.INSTANTIATE: s.InstantiateSettings,
    StageKind.RESPOND: s.RespondSettings,
    StageKind.ASSESS: s.AssessSettings,
    StageKind.MEASURE: s.MeasureSettings,
    StageKind.SELECT: s.SelectSettings,
    StageKind.TRAIN: s.TrainSettings,
    StageKind.MERGE: s.MergeSettings,
    StageKind.REPORT: s.ReportSettings,
}
"""The settings of each kind; its program is the module of the same name in `stages/`."""
NEVER_ADOPTED = (StageKind.PREPARE, StageKind.REPORT)
"""Stages that do something for each run, whatever exists already."""


class Worker:
    """Carries out orders, one after another, with one engine between them."""

    def __init__(
        self,
        stop: StopFlag,
        meter: Meter,
        progress: Progress,
        shard: Shard,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stop = stop
        self._meter = meter
        self._progress = progress
        self._shard = shard
        self._now = now
        self._engines = EngineProvider(meter)
        self._opened: tuple[StoreSpec, str, ArtifactStore] | None = None

    def carry_out(self, order: StageOrder, load_seconds: float = 0.0) -> StageResult:
        """Return the order's result; raises nothing.

        `load_seconds` went by before, in starting this process for the order.
        """
        done: list[StepResult] = []
        try:
            check_versions(order)
            return self._steps(order, load_seconds, done)
        except Exception as error:  # noqa: BLE001 (whatever it is, it becomes the result)
            self._engines.close()
            failure = failure_of(error)
            defect = failure.exit_code is ExitCode.DEFECT
            _LOG.error("%s: %s", order.steps[0].id, failure.message, exc_info=defect)
            return failed(failure).model_copy(update={"steps": tuple(done)})

    def close(self) -> None:
        """Free the device."""
        self._engines.close()

    def _steps(self, order: StageOrder, load_seconds: float, done: list[StepResult]) -> StageResult:
        result = StageResult(outcome=Outcome.COMMITTED)
        for step in order.steps:
            self._stop.check()
            self._meter.restart(load_seconds)
            started_at, load_seconds = self._now() - load_seconds, 0.0
            self._progress.begin(step.id, step.items)
            adopted, outcome = self._step(order, step, started_at)
            self._progress.end()
            if outcome.outcome is Outcome.PARTIAL:
                # Others will commit this step. Our parts of the next need only our parts of it.
                result = result.model_copy(update={"outcome": Outcome.PARTIAL})
                continue
            if step.kind != StageKind.PREPARE:
                note_use(self._artifacts(order).store, order.run, [step.key])
            statistics = dict(outcome.statistics)
            done.append(
                StepResult(id=step.id, key=step.key, adopted=adopted, statistics=statistics)
            )
            result = result.model_copy(
                update={"prepared": outcome.prepared, "frontier": outcome.frontier}
            )
        return result.model_copy(update={"steps": tuple(done)})

    def _step(self, order: StageOrder, step: Step, started_at: float) -> tuple[bool, StageOutcome]:
        kind = StageKind(step.kind)
        settings = _settings(step, kind)
        artifacts = self._artifacts(order)
        if kind not in NEVER_ADOPTED:
            manifest = artifacts.manifest(step.key)
            if manifest is not None:
                _LOG.info("%s: exists already, adopted", step.id)
                return True, StageOutcome(statistics=manifest.statistics)
        program = importlib.import_module(f"isheep_worker.stages.{kind}")
        with tempfile.TemporaryDirectory(prefix="isheep-") as scratch:
            context = StageContext(
                order=order,
                step=step,
                settings=settings,
                artifacts=artifacts,
                inputs=Inputs(artifacts.store, order.run.namespace),
                shard=self._shard,
                models=ModelFolders(order, artifacts, cache_folder(os.environ)),
                engines=self._engines,
                stop=self._stop,
                meter=self._meter,
                progress=self._progress,
                scratch=Path(scratch),
                started_at=started_at,
                now=self._now,
            )
            outcome: StageOutcome = program.run(context)
            return False, outcome

    def _artifacts(self, order: StageOrder) -> ArtifactStore:
        """Return the run's artifacts; kept between orders, for what it has verified already."""
        place = (order.store, order.run.namespace)
        if self._opened is None or self._opened[:2] != place:
            self._opened = (*place, ArtifactStore(open_store(order.store), order.run.namespace))
        return self._opened[2]


def _settings(step: Step, kind: StageKind) -> s.StageSettings:
    try:
        return SETTINGS[kind].model_validate(step.settings)
    except ValidationError as error:
        raise ContractError(f"{step.id}: its settings do not fit this worker: {error}") from error
