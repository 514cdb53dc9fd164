"""The walk of a pod: it executes stage after stage of its Job, and keeps its engine loaded.

The pods of a Job execute the recipe over the store, so all of them find the same stages. They share
the parts of a stage, as without a walk. One pod executes a stage such as curate: the pod with the
number `round mod count`. The other pods wait for its manifest. A pod that has finished its parts
takes over the parts that no live pod reports, so a pod that was killed or has no node delays
nothing. A pod that can do nothing for five minutes ends, and its device is free for others.

The pod makes no decision that differs from the planner's, because the same recipe gets the same
results. The planner computes every key again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from isheep.contract.order import Frontier, Outcome, StageOrder, StageWalk, Step, StepResult
from isheep.planner.frontier import walk_frontier
from isheep.planner.job_stages import walked_from
from isheep.planner.orders import step_of
from isheep.planner.walk import Walk, walk
from isheep.recipes.interface import FAILED, Stage, Statistics, has_failed, part_count
from isheep.recipes.pinned_spec import PinnedSpec
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS
from isheep.store.artifacts import ArtifactStore
from isheep_worker.execution.pod_reports import PodReports
from isheep_worker.runtime.logs import log_stage
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.stopping import StopFlag

RunStage = Callable[[Step, Shard], Outcome]
"""Executes the share of a stage, and returns whether the stage is committed."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WalkTimings:
    """Times in seconds.

    `poll` is the time between two looks into the store. `turn` is how long each further pod waits
    for the pod whose turn it is. After `take_over`, a pod takes the parts that no pod reports.
    After `idle` without any work, a pod ends.
    """

    poll: float = 2.0
    turn: float = 10.0
    take_over: float = 15.0
    idle: float = 300.0


@dataclass(slots=True)
class _Waits:
    """The stage that this pod waits for and since when, and since when stages have their inputs."""

    stage: str = ""
    since: float = 0.0
    fed_since: dict[str, float] = field(default_factory=dict)


class JobWalk:
    """The walk of one order."""

    def __init__(
        self,
        order: StageOrder,
        stage_walk: StageWalk,
        *,
        artifacts: ArtifactStore,
        shard: Shard,
        reports: PodReports,
        run_stage: RunStage,
        on_commit: Callable[[StepResult], None],
        stop: StopFlag,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        timings: WalkTimings = WalkTimings(),
    ) -> None:
        self._order = order
        self._walk_order = stage_walk
        self._spec = PinnedSpec.read_stored(stage_walk.spec)
        self._artifacts = artifacts
        self._shard = shard
        self._reports = reports
        self._run_stage = run_stage
        self._on_commit = on_commit
        self._stop = stop
        self._clock = clock
        self._sleep = sleep
        self._timings = timings
        self._first = order.steps[0]
        self._found: dict[str, Statistics] = {}
        self._made: set[str] = set()
        self._shared: set[str] = set()
        self._reached = False
        self._waits = _Waits()
        self.step = self._first
        self.done: dict[str, StepResult] = {}
        self.frontier: Frontier | None = None

    def execute(self) -> Outcome:
        """Walk to the end of the Job; `Partial` if this pod ended because it could do nothing.

        Raises the exceptions of the stages. `step` is then the stage that failed, and `done` and
        `frontier` have the stages that are committed.
        """
        while True:
            self._stop.check()
            walked, stages = self._look()
            pending = [stage for stage in stages if stage.id not in walked.results]
            if not pending:
                return Outcome.COMMITTED
            if self._advance(pending, walked):
                self._waits.stage = ""
            elif not self._wait(pending[0], walked):
                return Outcome.PARTIAL

    def _look(self) -> tuple[Walk, tuple[Stage, ...]]:
        """Walk over the store, and report the stages that are committed now."""
        spec = self._spec
        self._reached = False
        walked = walk(
            RECIPES[spec.recipe],
            spec,
            self._walk_order.prepared,
            self._order.stage_versions,
            self._lookup,
        )
        stages = walked_from(walked.stages, self._first.id, self._walk_order.grouping)
        for stage in stages:
            result = walked.results.get(stage.id)
            if result is not None and not has_failed(result) and stage.id not in self.done:
                key = walked.keys[stage.id]
                adopted = stage.id not in self._made
                self.done[stage.id] = StepResult(
                    id=stage.id, key=key, adopted=adopted, statistics=dict(result)
                )
                self._on_commit(self.done[stage.id])
        if stages:
            self.frontier = walk_frontier(stages, walked)
        return walked, stages

    def _lookup(self, stage: Stage, key: str) -> Statistics | None:
        """Return the statistics in the manifest of a stage; stages after the Job are not read.

        The evaluation of the last model is in a Job of its own, which begins after the training of
        the same iteration. So only the stages after the first one of the Job can be after the Job.
        """
        definition = STAGE_DEFINITIONS[stage.kind]
        self._reached |= stage.id == self._first.id
        after = (
            self._reached and definition.role is None and stage.iteration >= self._first.iteration
        )
        if after or not definition.adoptable:
            return None
        if key in self._walk_order.failed:
            return FAILED
        if key not in self._found:
            manifest = self._artifacts.manifest(key)
            if manifest is None:
                return None
            self._found[key] = manifest.statistics
        return self._found[key]

    def _advance(self, pending: Sequence[Stage], walked: Walk) -> bool:
        """Execute the first pending stage for which this pod can do something; False if none."""
        for stage in pending:
            if not self._is_fed(stage, walked):
                continue
            self._waits.fed_since.setdefault(stage.id, self._clock())
            key = walked.keys[stage.id]
            parts: frozenset[int] | None
            if stage.items is None:
                parts = frozenset() if self._is_my_turn(stage, key) else None
            elif stage.id not in self._shared:
                parts = self._own_parts(stage.items, key)
            else:
                parts = self._left_over(stage.items, key)
            if parts is not None:
                self._execute(stage, walked, parts)
                return True
        return False

    def _execute(self, stage: Stage, walked: Walk, parts: frozenset[int]) -> None:
        self.step = step_of(stage, walked.keys, self._order.stage_versions)
        shard = replace(self._shard, parts=parts)
        if shard.count > 1:
            self._reports.state(self.step.key, parts)
        outcome = self._run_stage(self.step, shard)
        self._made.add(stage.id)
        if outcome is Outcome.PARTIAL:
            self._shared.add(stage.id)

    def _is_fed(self, stage: Stage, walked: Walk) -> bool:
        """Return whether the inputs are committed, or this pod has made its parts of them."""
        sources = [source for ids in stage.inputs.values() for source in ids]
        missing = [source for source in sources if source not in walked.results]
        whole = stage.items is None or STAGE_DEFINITIONS[stage.kind].reads_whole_inputs
        return not missing or (not whole and self._shared.issuperset(missing))

    def _is_my_turn(self, stage: Stage, key: str) -> bool:
        """Return whether this pod makes a stage that one pod makes alone.

        It is the turn of the pod `round mod count`. If that pod does not report the stage in time,
        it is the turn of the next pod, and so on.
        """
        rank = (self._shard.index - (stage.round or 0)) % self._shard.count
        waited = self._clock() - self._waits.fed_since[stage.id]
        if waited < rank * self._timings.turn:
            return False
        if rank == 0:
            return True
        makers = (report for report in self._reports.others() if report.key == key)
        return all(report.waiting for report in makers)

    def _own_parts(self, items: int, key: str) -> frozenset[int]:
        """Return the parts of this pod, without those that other pods have taken over."""
        own = range(self._shard.index, part_count(items), self._shard.count)
        if self._shard.count == 1:
            return frozenset(own)
        taken = (report.parts for report in self._reports.others() if report.key == key)
        return frozenset(own).difference(*taken)

    def _left_over(self, items: int, key: str) -> frozenset[int] | None:
        """Return this pod's share of the parts that no live pod makes; None if there are none.

        If all parts are stored and the commit is missing, the share is empty, and the stage
        commits.
        """
        if self._waits.stage == "":
            return None
        waited = self._clock() - self._waits.since - self._timings.take_over
        if waited < 0:
            return None
        missing = set(range(part_count(items))).difference(self._artifacts.parts(key))
        if not missing:
            return frozenset() if waited >= self._shard.index * self._timings.turn else None
        others = [report for report in self._reports.others() if report.key == key]
        left = sorted(missing.difference(*(report.parts for report in others)))
        takers = sorted({self._shard.index, *(r.pod for r in others if r.waiting)})
        own = [p for n, p in enumerate(left) if takers[n % len(takers)] == self._shard.index]
        return frozenset(own) if own else None

    def _wait(self, stage: Stage, walked: Walk) -> bool:
        """Wait for the other pods; return False if this pod has waited for a stage for too long."""
        if self._waits.stage != stage.id:
            self._waits.stage, self._waits.since = stage.id, self._clock()
            step = step_of(stage, walked.keys, self._order.stage_versions)
            log_stage(_LOG, "pod waits for the other pods", self._order, step)
            self._reports.state(step.key, waiting=True)
        if self._clock() - self._waits.since >= self._timings.idle:
            return False
        self._sleep(self._timings.poll)
        return True
