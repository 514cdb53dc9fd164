"""A world for the planner: a store, one run, and attempts that never run a process.

What a stage leaves is a function of its order alone, as with real workers, and an
order whose key is in the store is adopted. Results travel through the wire format, so
that frontiers are cut as they would be. The world breaks the test when the planner
asks for something that it must never ask for.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.order import (
    ChatFormatRef,
    Outcome,
    Prepared,
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
    Attempt,
    AttemptState,
    Environment,
    Observed,
    Peer,
    Plan,
    Remove,
    RunView,
    StageRef,
    Start,
    Stop,
)
from isheep.recipes.registry import RECIPES

START = datetime(2026, 1, 1, tzinfo=UTC)

SPEC: dict[str, Any] = {
    "recipe": "ISheep",
    "iterations": 2,
    "activeDeadlineSeconds": 31536000,
    "model": {"storageUri": "hf://org/model"},
    "storage": {"s3": {"bucket": "bucket", "prefix": "some/prefix"}},
    "instructions": {"count": 40, "maxRounds": 10},
    "selection": {"threshold": 6, "minSamples": 1},
}


def spec_with(**changes: Any) -> dict[str, Any]:
    """Return SPEC with members of its objects, or whole fields, replaced."""
    spec = copy.deepcopy(SPEC)
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(spec.get(name), dict):
            spec[name].update(value)
        else:
            spec[name] = value
    return spec


def prepared_for(source: str = "hf://org/model") -> Prepared:
    return Prepared(
        model_digest=f"model of {source}",
        model_revision="commit-1",
        architecture="Llama",
        seed_tasks_digest="seeds",
        seed_tasks_count=60,
        templates_digest="templates",
        engine="VLLM",
        dtype="float32",
        max_model_length=2048,
        chat_format=ChatFormatRef(
            kind="ChatML", digest="chat", end_of_turn_ids=(2,), stop_token_ids=(2,)
        ),
    )


def make_run(spec: dict[str, Any] | None = None, **fields: Any) -> RunView:
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
class Job:
    """An attempt, as the world's driver keeps it."""

    start: Start
    created: datetime
    state: AttemptState = AttemptState.ACTIVE
    finished: datetime | None = None
    results: tuple[StageResult, ...] = ()
    exit_code: int | None = None
    waiting: Any = None

    @property
    def order(self) -> StageOrder:
        return self.start.order

    def view(self, name: str) -> Attempt:
        return Attempt(
            name=name,
            steps=tuple(StageRef(s.id, s.key) for s in self.order.steps),
            number=self.order.attempt,
            state=self.state,
            created=self.created,
            finished=self.finished,
            results=self.results,
            exit_code=self.exit_code,
            waiting=self.waiting,
        )


@dataclass
class World:
    run: RunView = field(default_factory=make_run)
    now: datetime = START
    environment: Environment = field(default_factory=lambda: Environment(worker_image="image-1"))
    store: dict[str, dict[str, float]] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()
    committed: Counter[str] = field(default_factory=Counter)
    adopted: Counter[str] = field(default_factory=Counter)
    started: list[str] = field(default_factory=list)
    passes: int = 0
    yield_per_completion: float = 3.0

    # The driver.

    def look(self) -> Observed:
        return Observed(tuple(job.view(name) for name, job in self.jobs.items()), self.peers)

    def plan(self) -> Plan:
        return plan(self.run, self.look(), self.now, self.environment)

    def turn(self, *, lose_status: bool = False, do: int | None = None) -> Plan:
        """Plan, carry out the actions (the first `do` of them), and keep the status."""
        made = self.plan()
        self.passes += 1
        # What a driver stores is JSON: what does not survive that is lost.
        document = made.status.document()
        assert SelfAlignmentRunStatus.read(document) == made.status
        for action in made.actions[:do]:
            self._act(action)
        if not lose_status:
            self.run = replace(self.run, status=SelfAlignmentRunStatus.read(document))
        return made

    def settle(self) -> Plan:
        """PlannedPass until there is nothing to do; returns the last plan."""
        for _ in range(6):
            made = self.turn()
            if not made.actions and made.wake_at != self.now:
                return made
        raise AssertionError("the planner comes to no rest")

    def _act(self, action: Start | Stop | Remove) -> None:
        if isinstance(action, Start):
            self._start(action)
        elif isinstance(action, Stop):
            job = self.jobs[action.attempt]
            assert job.state is AttemptState.ACTIVE
            job.state = AttemptState.TERMINATING
        else:
            job = self.jobs.pop(action.attempt)
            assert job.state in (AttemptState.SUCCEEDED, AttemptState.FAILED)

    def _start(self, start: Start) -> None:
        at_work = [
            step
            for job in self.jobs.values()
            if job.state in (AttemptState.ACTIVE, AttemptState.TERMINATING)
            for step in job.order.steps
        ]
        done = {(r.id, r.key) for r in self.run.status.stages if r.committed}
        for step in start.order.steps:
            assert step.key not in {s.key for s in at_work}, f"{step.id} is at work already"
            assert step.id not in {s.id for s in at_work}, f"{step.id} is occupied"
            assert (step.id, step.key) not in done, f"{step.id} is committed already"
        name = f"{start.order.steps[0].id}#{start.order.attempt}"
        # An old, finished attempt of another key may bear the name.
        name = f"{name}-{start.order.steps[0].key[:6]}"
        assert name not in self.jobs, f"{name} is started twice"
        self.jobs[name] = Job(start, self.now)
        self.started.append(start.order.steps[0].id)

    # What happens to attempts.

    def active(self) -> list[str]:
        return [n for n, job in self.jobs.items() if job.state is AttemptState.ACTIVE]

    def find(self, stage: str) -> str:
        return next(n for n in self.active() if self.jobs[n].order.steps[0].id == stage)

    def complete(self, name: str, *, only: int | None = None) -> None:
        """End an attempt well, or `only` the first steps of it."""
        job = self.jobs[name]
        steps = job.order.steps if only is None else job.order.steps[:only]
        if [step.kind for step in steps] == ["prepare"]:
            result = self._prepare(job.order)
        else:
            result = StageResult(
                outcome=Outcome.COMMITTED, steps=tuple(self._commit(step) for step in steps)
            )
        self._end(job, AttemptState.SUCCEEDED, 0, result)

    def fail(
        self, name: str, code: int | None, *, only: int = 0, reason: str | None = None
    ) -> None:
        """End an attempt with an exit code, after its first `only` steps."""
        job = self.jobs[name]
        steps = tuple(self._commit(s) for s in job.order.steps[:only] if s.kind != "prepare")
        result = StageResult(
            outcome=Outcome.FAILED, exit_code=code or 0, reason=reason, message="why", steps=steps
        )
        # A worker that was killed has left no result.
        told = code in (64, 69, 70, 74, 80)
        self._end(job, AttemptState.FAILED, code, result if told or steps else None)

    def vanish(self, name: str) -> None:
        del self.jobs[name]

    def settle_stopping(self) -> None:
        """Let everything that is being stopped go."""
        for name in [n for n, j in self.jobs.items() if j.state is AttemptState.TERMINATING]:
            del self.jobs[name]

    def _end(
        self, job: Job, state: AttemptState, code: int | None, result: StageResult | None
    ) -> None:
        job.state, job.exit_code, job.finished = state, code, self.now
        job.results = ()
        if result is not None:
            parsed = parse_result(dump_result(result))
            assert parsed is not None
            job.results = (parsed,)

    # What workers do.

    def _prepare(self, order: StageOrder) -> StageResult:
        step = order.steps[0]
        spec = SelfAlignmentRunSpec.read({**SPEC, **step.settings["spec"]})
        prepared = prepared_for(order.sources.model)
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
            self.store[step.key] = self._statistics(step)
            self.committed[step.key] += 1
        return StepResult(
            id=step.id, key=step.key, adopted=adopted, statistics=self.store[step.key]
        )

    def _statistics(self, step: Step) -> dict[str, float]:
        def of(role: str, name: str) -> float:
            return sum(self.store[key][name] for key in step.inputs.get(role, ()))

        settings = step.settings
        if step.kind == "generate":
            return {"completions": settings["completions"], "tokens": 100.0}
        if step.kind == "curate":
            new = int(of("completions", "completions") * self.yield_per_completion)
            accepted = min(settings["count"], of("accepted", "accepted") + new)
            return {"new": float(new), "accepted": accepted, "drop:rouge": 3.0, "drop:short": 1.0}
        if step.kind == "respond":
            return {"pairs": of("instructions", "accepted")}
        if step.kind == "assess":
            return {"pairs": of("pairs", "pairs"), "score:Quality:9": 5.0}
        if step.kind == "select":
            pairs = of("pairs", "pairs")
            kept = pairs * (10 - settings.get("threshold", 0)) // 10
            return {"pairs": pairs, "kept": kept, "meanScore": 8.123456, "drop:low": pairs - kept}
        if step.kind == "train":
            return {"samples": of("data", "kept"), "trainLoss": 1.25, "evalLoss": 1.5}
        return {}

    # The user.

    def edit(self, **changes: Any) -> None:
        spec = copy.deepcopy(dict(self.run.spec))
        for name, value in changes.items():
            if isinstance(value, dict) and isinstance(spec.get(name), dict):
                spec[name].update(value)
            else:
                spec[name] = value
        if spec != self.run.spec:
            self.run = replace(self.run, spec=spec, generation=self.run.generation + 1)

    def retry(self, value: str) -> None:
        self.run = replace(self.run, annotations={"isheep.dev/retry": value})

    # Going on without trouble.

    def over(self) -> bool:
        status = self.run.status
        return (
            status.observed_generation == self.run.generation
            and any(c.type in ("Complete", "Failed") for c in status.conditions)
            and not self.plan().actions
        )

    def drive(self, limit: int = 600) -> SelfAlignmentRunStatus:
        """Go on, with every attempt ending well, until the run is over."""
        for _ in range(limit):
            made = self.turn()
            self.settle_stopping()
            if self.over():
                return self.run.status
            for name in self.active():
                self.complete(name)
            if not self.jobs:
                assert made.wake_at is not None, "nothing to do, and nothing to wait for"
                self.now = max(self.now, made.wake_at)
            self.now += timedelta(seconds=1)
        raise AssertionError(f"not over after {limit} passes: {self.run.status}")


def outcome(status: SelfAlignmentRunStatus) -> dict[str, Any]:
    """Return what must be the same however a run came to its end."""
    return {
        "phase": status.phase,
        "conditions": [(c.type, c.status, c.reason) for c in status.conditions],
        "stages": [(r.id, r.key, r.committed) for r in status.stages],
        "history": [h.model_copy(update={"gpu_seconds": None}) for h in status.history],
        "model": status.model_uri,
        "report": status.report_uri,
        "progress": status.progress,
    }
