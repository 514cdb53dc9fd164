"""A simulation for tests of the planner: a store, one run, and attempts without processes.

The result of a stage is a function of its order alone, as with real workers, and an order whose
key is in the store is adopted. Results pass through the wire format, so frontiers are cut as they
are cut for real workers. The simulation fails the test if the planner starts a stage that it must
not start.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.gpu_resources import gpus_by_resource
from isheep.contract.order import (
    Outcome,
    StageOrder,
    StageResult,
    Step,
    StepResult,
    dump_result,
    parse_result,
)
from isheep.planner.frontier import known_stages
from isheep.planner.plan import plan
from isheep.planner.types import (
    Action,
    Attempt,
    AttemptState,
    Contender,
    Environment,
    Expire,
    Observed,
    Peer,
    Plan,
    PodTime,
    RunView,
    StageRef,
    Start,
    Stop,
)
from isheep.recipes.registry import RECIPES

from .prepared_inputs import prepared_for, with_evaluation
from .simulated_statistics import statistics_of
from .walking_workers import walk_job

START = datetime(2026, 1, 1, tzinfo=UTC)

SPEC: dict[str, Any] = {
    "recipe": "ISheep",
    "iterations": 2,
    "activeDeadlineSeconds": 31536000,
    "model": {"storageUri": "hf://org/model"},
    "storage": {"s3": {"bucket": "bucket", "prefix": "some/prefix"}},
    "instructions": {"count": 40, "maxRounds": 10},
    "selection": {"threshold": 6, "minSamples": 1},
    # Most tests need an attempt for each stage. `test_job_walks` tests the other groupings.
    "compute": {"inference": {"jobs": "PerStage"}},
    # Most tests are about the stages of the method. `test_optional_stages` tests the measurements.
    "yardstick": {"items": 0},
}


def spec_with(**changes: Any) -> dict[str, Any]:
    """Return SPEC with members of its objects, or whole fields, replaced."""
    spec = copy.deepcopy(SPEC)
    for name, value in changes.items():
        merged = name != "yardstick"
        if merged and isinstance(value, dict) and isinstance(spec.get(name), dict):
            spec[name].update(value)
        else:
            spec[name] = value
    return spec


def make_run(spec: dict[str, Any] | None = None, **fields: Any) -> RunView:
    """Return a run with a spec; `fields` replace fields of the view."""
    view = RunView(
        namespace="ns",
        name="run",
        uid="uid-1",
        generation=1,
        created=START,
        spec=SPEC if spec is None else spec,
        status=SelfAlignmentRunStatus(),
    )
    return replace(view, **fields)


@dataclass
class SimulatedAttempt:
    """An attempt, as the simulated driver stores it."""

    start: Start
    created: datetime
    state: AttemptState = AttemptState.ACTIVE
    finished: datetime | None = None
    committed: tuple[StepResult, ...] = ()
    results: tuple[StageResult, ...] = ()
    exit_code: int | None = None
    waiting: Any = None
    gpus: Mapping[str, int] = field(default_factory=dict)
    admitted: datetime | None = None

    @property
    def order(self) -> StageOrder:
        return self.start.order

    def view(self, name: str) -> Attempt:
        until = self.finished or self.created
        pod = PodTime("pod", self.created, until, ended=self.finished is not None)
        return Attempt(
            name=name,
            steps=tuple(StageRef(s.id, s.key) for s in self.order.steps),
            number=self.order.attempt,
            state=self.state,
            created=self.created,
            admitted=self.admitted,
            finished=self.finished,
            results=self.results,
            exit_code=self.exit_code,
            waiting=self.waiting,
            walk=self.start.walk,
            committed=self.committed,
            gpus=self.gpus,
            pods=(pod,),
            grace_seconds=60,
        )


@dataclass
class PlannerSimulation:
    """One run with its store and its attempts, and the driver that runs its plans."""

    run: RunView = field(default_factory=make_run)
    now: datetime = START
    environment: Environment = field(default_factory=lambda: Environment(worker_image="image-1"))
    store: dict[str, dict[str, float]] = field(default_factory=dict)
    attempts: dict[str, SimulatedAttempt] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()
    contenders: tuple[Contender, ...] = ()
    expired: bool = False
    committed: Counter[str] = field(default_factory=Counter)
    adopted: Counter[str] = field(default_factory=Counter)
    started: list[str] = field(default_factory=list)
    passes: int = 0
    yield_per_completion: float = 3.0

    # Actions of the driver.

    def observed(self) -> Observed:
        """Return the attempts and the peers, as the planner gets them."""
        attempts = (attempt.view(name) for name, attempt in self.attempts.items())
        return Observed(tuple(attempts), self.peers, self.contenders)

    def plan(self) -> Plan:
        return plan(self.run, self.observed(), self.now, self.environment)

    def run_pass(self, *, lose_status: bool = False, action_limit: int | None = None) -> Plan:
        """Plan, execute the actions, store the status, and return the plan.

        Args:
            lose_status: Do not store the status, as if the write failed.
            action_limit: Execute this many actions at most, as if the driver ended in between.
        """
        planned = self.plan()
        self.passes += 1
        # A driver stores the status as JSON, so a value that JSON cannot represent would be lost.
        document = planned.status.document()
        assert SelfAlignmentRunStatus.read(document) == planned.status
        for action in planned.actions[:action_limit]:
            self._execute(action)
        if not lose_status:
            self.run = replace(self.run, status=SelfAlignmentRunStatus.read(document))
        return planned

    def run_until_idle(self) -> Plan:
        """Run passes until a plan has nothing to do, and return that plan."""
        for _ in range(6):
            planned = self.run_pass()
            if not planned.actions and planned.wake_at != self.now:
                return planned
        raise AssertionError("the planner still has actions after 6 passes")

    def _execute(self, action: Action) -> None:
        if isinstance(action, Expire):
            self.expired = True
        elif isinstance(action, Start):
            self.start(action)
        elif isinstance(action, Stop):
            attempt = self.attempts[action.attempt]
            assert attempt.state is AttemptState.ACTIVE
            attempt.state = AttemptState.TERMINATING
        else:
            attempt = self.attempts.pop(action.attempt)
            assert attempt.state in (AttemptState.SUCCEEDED, AttemptState.FAILED)

    def start(self, start: Start) -> None:
        """Start an attempt; fail the test if one of its stages is running or committed."""
        running = [
            step
            for attempt in self.attempts.values()
            if attempt.state in (AttemptState.ACTIVE, AttemptState.TERMINATING)
            for step in attempt.order.steps
        ]
        claims = [
            attempt.start.walk.claim
            for attempt in self.attempts.values()
            if attempt.start.walk
            and attempt.state in (AttemptState.ACTIVE, AttemptState.TERMINATING)
        ]
        assert start.walk is None or start.walk.claim not in claims, "the walk is running already"
        committed = {(r.id, r.key) for r in self.run.status.stages if r.committed}
        for step in start.order.steps:
            assert step.key not in {s.key for s in running}, f"{step.id} is running already"
            assert step.id not in {s.id for s in running}, f"{step.id} runs with another key"
            assert (step.id, step.key) not in committed, f"{step.id} is committed already"
        # An old, finished attempt of the stage may have the same number but another key.
        first = start.order.steps[0]
        name = f"{first.id}#{start.order.attempt}-{first.key[:6]}"
        assert name not in self.attempts, f"{name} is started twice"
        pool = self.run.spec.get("compute", {}).get(str(start.pool), {})
        gpus = gpus_by_resource(pool.get("resources", {}).get("limits", {}))
        self.attempts[name] = SimulatedAttempt(start, self.now, gpus=gpus)
        self.started.append(first.id)

    # Ends of attempts.

    def active(self) -> list[str]:
        """Return the names of the attempts that are running."""
        return [n for n, attempt in self.attempts.items() if attempt.state is AttemptState.ACTIVE]

    def find(self, stage: str) -> str:
        """Return the name of the running attempt whose first stage has this id."""
        return next(n for n in self.active() if self.attempts[n].order.steps[0].id == stage)

    def complete(self, name: str, *, only: int | None = None) -> None:
        """End an attempt with success; commit its first `only` steps, or all steps if None."""
        attempt = self.attempts[name]
        if attempt.order.walk is not None:
            self._end(attempt, AttemptState.SUCCEEDED, 0, self._walk(attempt.order, only))
            return
        steps = attempt.order.steps if only is None else attempt.order.steps[:only]
        if [step.kind for step in steps] == ["prepare"]:
            result = self._prepare(attempt.order)
        else:
            result = StageResult(
                outcome=Outcome.COMMITTED, steps=tuple(self._commit(step) for step in steps)
            )
        self._end(attempt, AttemptState.SUCCEEDED, 0, result)

    def fail(
        self, name: str, code: int | None, *, only: int = 0, reason: str | None = None
    ) -> None:
        """End an attempt with an exit code, after the commits of its first `only` steps."""
        attempt = self.attempts[name]
        if attempt.order.walk is not None:
            walked = self._walk(attempt.order, only)
            steps, frontier = walked.steps, walked.frontier
        else:
            own = [step for step in attempt.order.steps[:only] if step.kind != "prepare"]
            steps, frontier = tuple(self._commit(step) for step in own), None
        result = StageResult(
            outcome=Outcome.FAILED,
            exit_code=code or 0,
            reason=reason,
            message="why",
            steps=steps,
            frontier=frontier,
        )
        # A worker that was killed wrote no result.
        writes_result = code in (64, 69, 70, 74, 80)
        self._end(attempt, AttemptState.FAILED, code, result if writes_result or steps else None)

    def report(self, name: str, count: int) -> None:
        """Let the pods of a walk commit stages, and let the driver read their progress."""
        attempt = self.attempts[name]
        attempt.committed = self._walk(attempt.order, count).steps

    def delete_attempt(self, name: str) -> None:
        """Delete an attempt, as if a user had deleted its Job."""
        del self.attempts[name]

    def finish_stops(self) -> None:
        """Delete the attempts that are being stopped."""
        terminating = AttemptState.TERMINATING
        for name in [n for n, a in self.attempts.items() if a.state is terminating]:
            del self.attempts[name]

    def _end(
        self,
        attempt: SimulatedAttempt,
        state: AttemptState,
        code: int | None,
        result: StageResult | None,
    ) -> None:
        attempt.state, attempt.exit_code, attempt.finished = state, code, self.now
        attempt.results = ()
        if result is not None:
            parsed = parse_result(dump_result(result))
            assert parsed is not None
            attempt.results = (parsed,)

    # Work of the workers.

    def _walk(self, order: StageOrder, limit: int | None) -> StageResult:
        steps, frontier = walk_job(order, self.store, self._commit, limit)
        return StageResult(outcome=Outcome.COMMITTED, steps=steps, frontier=frontier)

    def _prepare(self, order: StageOrder) -> StageResult:
        step = order.steps[0]
        spec = SelfAlignmentRunSpec.read({**SPEC, **step.settings["spec"]})
        prepared = with_evaluation(prepared_for(order.sources.model), spec)
        frontier = known_stages(
            RECIPES[spec.recipe], spec, prepared, order.stage_versions, self.store.get
        )
        return StageResult(
            outcome=Outcome.COMMITTED,
            steps=(StepResult(id=step.id, key=step.key),),
            prepared=prepared,
            frontier=frontier,
        )

    def _commit(self, step: Step) -> StepResult:
        adopted = step.key in self.store
        if adopted:
            self.adopted[step.key] += 1
        else:
            for keys in step.inputs.values():
                assert all(key in self.store for key in keys), f"{step.id} lacks an input"
            self.store[step.key] = statistics_of(step, self.store, self.yield_per_completion)
            self.committed[step.key] += 1
        return StepResult(
            id=step.id, key=step.key, adopted=adopted, statistics=self.store[step.key]
        )

    # Actions of the user.

    def edit(self, **changes: Any) -> None:
        """Edit the spec: merge members of objects, and replace other fields."""
        spec = copy.deepcopy(dict(self.run.spec))
        for name, value in changes.items():
            if isinstance(value, dict) and isinstance(spec.get(name), dict):
                spec[name].update(value)
            else:
                spec[name] = value
        if spec != self.run.spec:
            self.run = replace(self.run, spec=spec, generation=self.run.generation + 1)

    def retry(self, value: str) -> None:
        """Set the annotation that requests a retry."""
        self.run = replace(self.run, annotations={"isheep.dev/retry": value})

    # Runs without disturbances.

    def is_over(self) -> bool:
        """Return whether the run has ended and the planner has nothing more to do."""
        status = self.run.status
        return (
            status.observed_generation == self.run.generation
            and any(c.type in ("Complete", "Failed") for c in status.conditions)
            and not self.plan().actions
        )

    def run_to_end(self, limit: int = 600) -> SelfAlignmentRunStatus:
        """Complete every attempt until the run has ended, and return the status."""
        for _ in range(limit):
            planned = self.run_pass()
            self.finish_stops()
            if self.is_over():
                return self.run.status
            for name in self.active():
                self.complete(name)
            if not self.attempts:
                assert planned.wake_at is not None, "the plan has no action and no time"
                self.now = max(self.now, planned.wake_at)
            self.now += timedelta(seconds=1)
        raise AssertionError(f"the run has not ended after {limit} passes: {self.run.status}")


def outcome(status: SelfAlignmentRunStatus) -> dict[str, Any]:
    """Return the part of a status that must not depend on disturbances of the run."""
    return {
        "phase": status.phase,
        "conditions": [(c.type, c.status, c.reason) for c in status.conditions],
        "stages": [(r.id, r.key, r.committed) for r in status.stages],
        "history": [h.model_copy(update={"gpu_seconds": None}) for h in status.history],
        "model": status.model_uri,
        "report": status.report_uri,
        "progress": status.progress,
    }
