"""A whole run in one pod (`compute.jobs: Run`): the driver of `isheep run` executes the order.

The driver starts a worker process for each group of GPUs and gives the processes stage after stage.
So it keeps the engine loaded between stages, frees its GPU before the training, and gives all GPUs
to the training. It plans with the spec, the results of prepare and the stage versions of the order,
so it makes the same stages with the same keys as Jobs of single stages do.

The operator stays the one who decides about failures. So the first attempt that fails ends the pod
with the result of that attempt, and neither a wait nor a retry in the pod holds a GPU. The driver
writes no document into the store: the status of the run is in the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from isheep.api.status import SelfAlignmentRunStatus, StageFailure, StageRecord
from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import Frontier, Outcome, StageOrder, StageResult, StageWalk, StepResult
from isheep.contract.reasons import Reason
from isheep.local.conclusion import Conclusion
from isheep.local.devices import TooFewDevicesError, visible_devices
from isheep.local.driver import Driver
from isheep.local.events import AttemptEnd, AttemptView
from isheep.local.pool import Pool
from isheep.local.session import WORKER_COMMAND, utc_now
from isheep.local.spawn import WorkerSpawn
from isheep.local.worker import Inbox
from isheep.planner.frontier import walk_frontier
from isheep.planner.job_stages import walked_from
from isheep.planner.pinning import Resolved, inputs_of
from isheep.planner.plan import plan
from isheep.planner.stage_records import bounded_counts
from isheep.planner.types import Attempt, AttemptState, Environment, Observed, Plan, RunView
from isheep.planner.walk import Walk, prepare_key, walk
from isheep.recipes.interface import FAILED, Stage, Statistics
from isheep.recipes.pinned_spec import PinnedSpec
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep_worker.process.supervisor import failed_without_result
from isheep_worker.runtime.failures import Failure, failed, failure_of
from isheep_worker.runtime.meter import Activity
from isheep_worker.runtime.progress import Report

Clock = Callable[[], datetime]


class AttemptFailedError(Exception):
    """An attempt of the driver has failed, which ends the pod."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(attempt.name)
        self.attempt = attempt


def execute_run(
    order: StageOrder,
    stage_walk: StageWalk,
    *,
    environment: Mapping[str, str],
    inbox: Inbox,
    on_report: Callable[[Report], None],
    on_commit: Callable[[StepResult], None],
    command: Sequence[str] = WORKER_COMMAND,
    clock: Clock = utc_now,
) -> StageResult:
    """Execute all stages of a run from the order's first one; raises nothing.

    `inbox` may receive a `StopRequested` at any time. `on_commit` gets each stage that is committed
    in this pod.
    """
    try:
        run = _PodRun(order, stage_walk, on_report, on_commit)
        known = run.known_stages(ArtifactStore(open_store(order.store), order.run.namespace))
        spawn = WorkerSpawn(command, environment, inbox, lambda: None)
        driver = Driver(
            run.view(known, clock()),
            stored=run,
            planner=run.plan,
            environment=Environment(
                default_storage=order.store,
                mirrors=dict(order.sources.mirrors),
                cluster=order.run.cluster,
            ),
            peers=lambda: (),
            pool=Pool(visible_devices(environment), spawn),
            inbox=inbox,
            listener=run,
            clock=clock,
        )
        result = _concluded(driver.run())
    except AttemptFailedError as error:
        stage = {"stage": error.attempt.steps[0].id}
        result = _result_of(error.attempt).model_copy(update=stage)
    except TooFewDevicesError as error:
        result = failed(Failure.of(Reason.INVALID_INPUT, str(error)))
    except Exception as error:  # noqa: BLE001 (every exception becomes a result)
        return failed(failure_of(error))
    return result.model_copy(update={"steps": tuple(run.done), "frontier": run.frontier()})


@dataclass
class _PodRun:
    """The run of an order, with the status that the driver plans from; a `Listener`."""

    order: StageOrder
    stage_walk: StageWalk
    on_report: Callable[[Report], None]
    on_commit: Callable[[StepResult], None]
    done: list[StepResult] = field(default_factory=list)
    _records: tuple[StageRecord, ...] = ()

    def __post_init__(self) -> None:
        self._spec = PinnedSpec.read_stored(self.stage_walk.spec)
        self._recipe = RECIPES[self._spec.recipe]

    def known_stages(self, artifacts: ArtifactStore) -> tuple[StageRecord, ...]:
        """Return the records of the stages before the order's first one, which are committed.

        The operator has seen them committed. A report has no statistics that a stage depends on.
        The records of optional stages that have failed finally are included.
        """
        records: list[StageRecord] = []
        first = self.order.steps[0].id
        begun = False

        def lookup(stage: Stage, key: str) -> Statistics | None:
            nonlocal begun
            if key in self.stage_walk.failed:
                failure = StageFailure(reason=Reason.RETRIES_EXCEEDED)
                records.append(StageRecord(id=stage.id, key=key, failure=failure))
                return FAILED
            begun = begun or stage.id == first
            if begun:
                return None
            statistics: Statistics = {}
            if STAGE_DEFINITIONS[stage.kind].adoptable:
                manifest = artifacts.manifest(key)
                if manifest is None:
                    return None
                statistics = manifest.statistics
            counts = bounded_counts(statistics)
            records.append(StageRecord(id=stage.id, key=key, committed=True, counts=counts))
            return statistics

        self._walk(lookup)
        return tuple(records)

    def view(self, known: Sequence[StageRecord], now: datetime) -> RunView:
        """Return the run with its pinned values and known stages."""
        prepared, versions = self.stage_walk.prepared, self.order.stage_versions
        resolved = Resolved(
            generation=1,
            seen=self.stage_walk.spec,
            spec=self.stage_walk.spec,
            stage_versions=versions,
            prepare_key=prepare_key(self._recipe, self._spec, versions),
            writers=self._spec.writers,
            inputs=inputs_of(prepared),
            prepared=prepared,
        )
        step = self.order.steps[0]
        first = StageRecord(
            id=step.id,
            key=step.key,
            attempts=self.order.attempt - 1,
            memory_reduction=self.order.runtime.memory_reduction,
        )
        return RunView(
            namespace=self.order.run.namespace,
            name=self.order.run.name,
            uid=self.order.run.uid,
            generation=1,
            created=now,
            spec=self.stage_walk.spec,
            # A new generation would forget the measurements that failed, and the reduced memory.
            status=SelfAlignmentRunStatus(
                observed_generation=1, stages=(*known, first), resolved=resolved.document()
            ),
            annotations={},
        )

    def plan(
        self, run: RunView, observed: Observed, now: datetime, environment: Environment
    ) -> Plan:
        """Plan as the operator does; raises `AttemptFailedError` if an attempt has failed."""
        for attempt in observed.attempts:
            if attempt.state is AttemptState.FAILED:
                raise AttemptFailedError(attempt)
        return plan(run, observed, now, environment)

    def write_status(self, status: SelfAlignmentRunStatus) -> None:
        """Report the stages that are committed now."""
        known = {(step.id, step.key) for step in self.done}
        begun = False
        for record in status.stages:
            begun = begun or record.id == self.order.steps[0].id
            if begun and record.committed and (record.id, record.key) not in known:
                step = StepResult(id=record.id, key=record.key, statistics=dict(record.counts))
                self.done.append(step)
                self.on_commit(step)
        self._records = status.stages

    def frontier(self) -> Frontier | None:
        """Return the frontier of the stages from the order's first one."""
        results: dict[tuple[str, str], Statistics] = {
            (r.id, r.key): r.counts for r in self._records if r.committed
        }
        results |= {(r.id, r.key): FAILED for r in self._records if r.failure is not None}
        walked = self._walk(lambda stage, key: results.get((stage.id, key)))
        stages = walked_from(walked.stages, self.order.steps[0].id, self.stage_walk.grouping)
        return walk_frontier(stages, walked) if stages else None

    def _walk(self, lookup: Callable[[Stage, str], Statistics | None]) -> Walk:
        def known(stage: Stage, key: str) -> Statistics | None:
            return {} if stage.kind is StageKind.PREPARE else lookup(stage, key)

        prepared, versions = self.stage_walk.prepared, self.order.stage_versions
        return walk(self._recipe, self._spec, prepared, versions, known)

    def started(self, attempt: AttemptView) -> None:
        self.progressed(attempt)

    def progressed(self, attempt: AttemptView) -> None:
        worker = next((w for w in attempt.workers if w.activity in set(Activity)), None)
        activity = str(Activity.LOAD) if worker is None else worker.activity
        detail = "" if worker is None else worker.detail
        done, total = attempt.items_done, attempt.items_total
        self.on_report(Report(attempt.stage, done, total, activity, detail))

    def ended(self, end: AttemptEnd) -> None:
        pass

    def status(self, status: SelfAlignmentRunStatus) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def _concluded(conclusion: Conclusion) -> StageResult:
    """Return the result of a driver that ended without a failed attempt.

    If the run's own results end it, such as too few kept pairs, the operator finds the same from
    the committed stages. It also finds that a rule needs a measurement that has failed.
    """
    if conclusion.end in ("Succeeded", "Failed") or conclusion.reason == Reason.EVALUATION_MISSING:
        return StageResult(outcome=Outcome.COMMITTED)
    if conclusion.exit_code is ExitCode.STOPPED:
        return failed(Failure.of(Reason.STOPPED, conclusion.message))
    return failed(Failure(ExitCode.DEFECT, Reason.DEFECT, conclusion.message))


def _result_of(attempt: Attempt) -> StageResult:
    """Return the result of a failed attempt: that of its worker, if the worker has sent one."""
    sent = next((result for result in attempt.results if result.exit_code), None)
    if sent is not None:
        reduced: dict[str, Any] = {"steps": (), "frontier": None, "prepared": None}
        return sent.model_copy(update=reduced)
    code = attempt.exit_code or int(ExitCode.DEFECT)
    return failed_without_result(128 - code if code > 128 else code)
