"""Runs orders, stage by stage: the part that the pod's worker and the local worker share.

Before the worker runs a stage, it looks for the stage's manifest. If the stage is committed, the
worker adopts it and loads no model for it. Every exception ends here and becomes a result.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import (
    Outcome,
    StageOrder,
    StageResult,
    StageWalk,
    Step,
    StepResult,
)
from isheep.contract.reasons import Reason
from isheep.contract.store_spec import StoreSpec
from isheep.logs import log_event
from isheep.recipes.settings import StageSettings, TrainSettings
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.engine_provider import EngineProvider
from isheep_worker.execution.pod_reports import PodReports, reports_folder
from isheep_worker.execution.references import note_use
from isheep_worker.inputs.models import ModelFolders
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.process.job_walk import JobWalk
from isheep_worker.process.order_checks import check_versions, read_settings
from isheep_worker.runtime.cache_folder import cache_folder
from isheep_worker.runtime.failures import failed, failure_of
from isheep_worker.runtime.host_memory import free_memory
from isheep_worker.runtime.logs import log_stage
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag
from isheep_worker.stages.registry import stage_program

_LOG = logging.getLogger(__name__)


class Worker:
    """Runs orders one after another, and keeps one engine loaded between them."""

    def __init__(
        self,
        stop: StopFlag,
        meter: Meter,
        progress: Progress,
        shard: Shard,
        now: Callable[[], float] = time.time,
        *,
        on_commit: Callable[[StepResult], None] = lambda _: None,
    ) -> None:
        """`on_commit` gets each committed stage of a walk."""
        self._stop = stop
        self._on_commit = on_commit
        self._meter = meter
        self._progress = progress
        self._shard = shard
        self._now = now
        self._engines = EngineProvider(meter)
        self._opened: tuple[StoreSpec, str, ArtifactStore] | None = None

    def run(self, order: StageOrder, load_seconds: float = 0.0) -> StageResult:
        """Run an order and return its result; raises nothing.

        `load_seconds` is the time that the start of this process took before the order began. It
        counts as the load time of the first stage.
        """
        if order.walk is not None:
            return self._run_walk(order, order.walk, load_seconds)
        step = order.steps[0]
        done: list[StepResult] = []
        result = StageResult(outcome=Outcome.COMMITTED)
        try:
            check_versions(order)
            for step in order.steps:
                self._stop.check()
                adopted, outcome = self._run_stage(order, step, self._shard, load_seconds)
                load_seconds = 0.0
                if outcome.outcome is Outcome.PARTIAL:
                    # Another worker will commit this stage. This worker continues with its own
                    # parts of the next stage, which are made from its own parts of this one.
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
        except Exception as error:  # noqa: BLE001 (every exception becomes a result)
            self._engines.close()
            result = _failed(order, step, error)
        return result.model_copy(update={"steps": tuple(done)})

    def make_room(self, order: StageOrder) -> bool:
        """Free the GPU for a training in another process; return whether the engine stays.

        The engine stays if it can sleep, and if the memory of the host holds the training too.
        Raises nothing: the engine is closed after any error.
        """
        try:
            return self._holds(order) and self._engines.sleep()
        except Exception as error:  # noqa: BLE001 (the engine is loaded again after the training)
            failure = failure_of(error)
            _LOG.warning("the engine cannot stay during the training: %s", failure.message)
            self._engines.close()
            return False

    def _holds(self, order: StageOrder) -> bool:
        """Return whether the free memory of the host holds a training, and log it."""
        step = order.steps[0]
        settings = TrainSettings.model_validate(step.settings)

        import torch  # noqa: PLC0415 (heavy)

        from isheep_worker.training.host_room import host_bytes  # noqa: PLC0415 (heavy)

        base = ModelFolders(order, self._artifacts(order), cache_folder(os.environ)).base()
        needed = host_bytes(base, settings, on_gpu=torch.cuda.is_available())
        free = free_memory()
        log_stage(
            _LOG,
            "engine stays during the training" if needed <= free else "engine ends: no memory",
            order,
            step,
            needed_bytes=needed,
            free_bytes=free,
        )
        return needed <= free

    def close(self) -> None:
        """Free the device."""
        self._engines.close()

    def _run_walk(
        self, order: StageOrder, stage_walk: StageWalk, load_seconds: float
    ) -> StageResult:
        """Walk through the stages of a Job, and return the result; raises nothing."""
        job_walk: JobWalk | None = None
        with ExitStack() as until_end:
            try:
                check_versions(order)
                job_walk = self._job_walk(order, stage_walk, load_seconds, until_end)
                result = StageResult(outcome=job_walk.execute())
            except Exception as error:  # noqa: BLE001 (every exception becomes a result)
                self._engines.close()
                result = _failed(order, job_walk.step if job_walk else order.steps[0], error)
        if job_walk is None:
            return result
        steps = tuple(job_walk.done.values())
        return result.model_copy(update={"steps": steps, "frontier": job_walk.frontier})

    def _job_walk(
        self,
        order: StageOrder,
        stage_walk: StageWalk,
        load_seconds: float,
        until_end: ExitStack,
    ) -> JobWalk:
        """Return the walk of an order. Its reports end when `until_end` is closed."""

        def run_stage(step: Step, shard: Shard) -> Outcome:
            nonlocal load_seconds
            seconds, load_seconds = load_seconds, 0.0
            return self._run_stage(order, step, shard, seconds)[1].outcome

        def on_commit(result: StepResult) -> None:
            note_use(artifacts.store, order.run, [result.key])
            self._on_commit(result)

        artifacts = self._artifacts(order)
        folder = reports_folder(order.run.namespace, stage_walk.claim, order.attempt)
        reports = PodReports(artifacts.store, folder, self._shard.index)
        until_end.callback(reports.close)
        return JobWalk(
            order,
            stage_walk,
            artifacts=artifacts,
            shard=self._shard,
            reports=reports,
            run_stage=run_stage,
            on_commit=on_commit,
            stop=self._stop,
            clock=time.monotonic,
            sleep=time.sleep,
        )

    def _run_stage(
        self, order: StageOrder, step: Step, shard: Shard, load_seconds: float
    ) -> tuple[bool, StageOutcome]:
        """Run a stage, or adopt it; return whether it was adopted, and its outcome."""
        started_at = self._now() - load_seconds
        self._meter.restart(load_seconds)
        self._progress.begin(step.id, step.items)
        log_stage(
            _LOG,
            "stage begins",
            order,
            step,
            items=step.items,
            worker=shard.index,
            workers=shard.count,
        )
        settings = read_settings(step)
        outcome = self._adopted(order, step)
        adopted = outcome is not None
        if outcome is None:
            outcome = self._run_program(order, step, shard, settings, started_at)
        self._progress.end()
        spent = self._meter.seconds()
        log_stage(
            _LOG,
            "stage ends",
            order,
            step,
            outcome=outcome.outcome,
            adopted=adopted,
            seconds=round(self._now() - started_at, 3),
            load_seconds=round(spent.load, 3),
            engine_seconds=round(spent.engine, 3),
            cpu_seconds=round(spent.cpu, 3),
            **_counts(outcome.statistics),
        )
        return adopted, outcome

    def _adopted(self, order: StageOrder, step: Step) -> StageOutcome | None:
        """Return the outcome of a stage that is committed already, or None."""
        if not STAGE_DEFINITIONS[StageKind(step.kind)].adoptable:
            return None
        manifest = self._artifacts(order).manifest(step.key)
        return None if manifest is None else StageOutcome(statistics=manifest.statistics)

    def _run_program(
        self,
        order: StageOrder,
        step: Step,
        shard: Shard,
        settings: StageSettings,
        started_at: float,
    ) -> StageOutcome:
        program = stage_program(StageKind(step.kind))
        artifacts = self._artifacts(order)
        with tempfile.TemporaryDirectory(prefix="isheep-") as scratch:
            context = StageContext(
                order=order,
                step=step,
                settings=settings,
                artifacts=artifacts,
                inputs=Inputs(artifacts.store, order.run.namespace),
                shard=shard,
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
            return outcome

    def _artifacts(self, order: StageOrder) -> ArtifactStore:
        """Return the run's artifacts; the object is kept for the checks that it has done."""
        place = (order.store, order.run.namespace)
        if self._opened is None or self._opened[:2] != place:
            self._opened = (*place, ArtifactStore(open_store(order.store), order.run.namespace))
        return self._opened[2]


def _failed(order: StageOrder, step: Step, error: Exception) -> StageResult:
    failure = failure_of(error)
    stopped = failure.reason is Reason.STOPPED
    log_event(
        _LOG,
        logging.INFO if stopped else logging.ERROR,
        "stage stopped" if stopped else "stage failed",
        run=order.run.name,
        stage=step.id,
        attempt=order.attempt,
        exit_code=int(failure.exit_code),
        reason=failure.reason,
        error=failure.message,
    )
    if failure.exit_code == ExitCode.DEFECT:
        _LOG.error("traceback of the defect:", exc_info=error)
    result = failed(failure)
    return result.model_copy(update={"stage": step.id}) if order.walk is not None else result


def _counts(statistics: Mapping[str, float]) -> dict[str, object]:
    """Return the statistics for the log, without those that have one figure for each rule."""
    return {
        name: int(value) if float(value).is_integer() else round(value, 4)
        for name, value in statistics.items()
        if ":" not in name
    }
