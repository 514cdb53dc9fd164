"""The walk of pods through a Job: several workers in threads, with one real folder store.

The programs of the stages write real parts and manifests, but generate nothing. Some pods fail, do
not start or stop in the middle of a stage.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from isheep.contract.order import Outcome, RunRef, StageOrder, StageResult, StepResult
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.recipes.interface import part_count
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep.store.manifest import Manifest, StageInfo, Timings
from isheep_worker.execution import pod_reports
from isheep_worker.execution.commit import commit, commit_parts
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.missing_parts import MissingParts
from isheep_worker.execution.parts import FilledPart, part_items
from isheep_worker.execution.single_writer import write_parts
from isheep_worker.process import worker as worker_module
from isheep_worker.process.job_walk import JobWalk, WalkTimings
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

from ...isheep.planner.simulation import PlannerSimulation, make_run, spec_with
from ...isheep.planner.test_job_walks import ON_KUBERNETES

COUNT = 500
GENERATION = ["i1/generate/r1", "i1/curate/r1", "i1/generate/r2", "i1/curate/r2", "i1/respond"]
FAST = WalkTimings(poll=0.01, turn=0.6, take_over=0.3, idle=30.0)
PATIENCE_SECONDS = 60
LAST = "i2/evaluate/yardstick"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """Ends a worker's thread as SIGKILL ends a process: nothing handles it."""


class Cluster:
    """The pods of one Job: an order, its store, and what each pod made."""

    def __init__(self, order: StageOrder, folder: Path, pods: int) -> None:
        store = StoreSpec(folder=FolderStoreSpec(path=str(folder)))
        self.order = order.model_copy(update={"store": store})
        self.artifacts = ArtifactStore(FolderStore(folder), "ns")
        self.pods = pods
        self.made: Counter[tuple[str, int]] = Counter()
        self.makers: dict[str, set[int]] = {}
        self.reported: dict[int, list[StepResult]] = {}
        self.before_part: Callable[[int, str, int], None] = lambda _pod, _stage, _part: None
        self.before_alone: Callable[[int, str], None] = lambda _pod, _stage: None
        self.before_commit: Callable[[StageContext[Any]], None] = lambda _context: None
        self._results: dict[int, StageResult] = {}
        self._threads: dict[int, threading.Thread] = {}

    def program(self, context: StageContext[Any]) -> StageOutcome:
        """Make the parts of a pod, or the whole stage if one pod makes it alone."""
        step, pod = context.step, context.shard.index
        self.makers.setdefault(step.id, set()).add(pod)
        if step.items is None:
            self.before_alone(pod, step.id)
            self.made[step.id, 0] += 1
            count = write_parts(context, [b"{}"] * 10)
            parts = context.artifacts.collect_parts(step.key, count)
            return commit(context, self._statistics(context), parts=parts)
        missing = MissingParts(context, step.items)
        for part in missing.numbers:
            context.stop.check()
            self.before_part(pod, step.id, part)
            self.made[step.id, part] += 1
            items = len(part_items(part, step.items))
            missing.write(part, FilledPart([b"{}"] * items, {"completions": items}))
        self.before_commit(context)
        return commit_parts(context, part_count(step.items))

    def start(self, pod: int) -> None:
        """Start a pod, which may have run before."""
        self.reported[pod] = []
        worker = Worker(
            StopFlag(),
            Meter(),
            Progress(lambda _: None),
            Shard(pod, self.pods),
            on_commit=self.reported[pod].append,
        )

        def run() -> None:
            with suppress(Killed):
                self._results[pod] = worker.run(self.order)

        self._threads[pod] = threading.Thread(target=run, daemon=True)
        self._threads[pod].start()

    def result(self, pod: int) -> StageResult | None:
        """Wait for the end of a pod, and return its result; None if it was killed."""
        self._threads[pod].join(PATIENCE_SECONDS)
        assert not self._threads[pod].is_alive(), f"pod {pod} still runs: {self.made}"
        return self._results.get(pod)

    def results(self) -> list[StageResult | None]:
        return [self.result(pod) for pod in sorted(self._threads)]

    def _statistics(self, context: StageContext[Any]) -> dict[str, float]:
        """Accept three instructions a completion, so that there are two rounds."""
        (key,) = context.step.inputs["completions"]
        manifest = context.artifacts.manifest(key)
        assert manifest is not None
        before = sum(
            found.statistics["accepted"]
            for one in context.step.inputs.get("accepted", ())
            if (found := context.artifacts.manifest(one)) is not None
        )
        new = manifest.statistics["completions"] * 3
        return {"accepted": min(COUNT, before + new), "drop:short": 1.0}


def order_of(jobs: str, count: int = COUNT, **changes: Any) -> StageOrder:
    """Return the first order with a walk of a run."""
    spec = spec_with(
        iterations=1,
        instructions={"count": count, "maxRounds": 10},
        compute={"inference": {"jobs": jobs, "parallelism": 4}},
        **changes,
    )
    simulation = PlannerSimulation(make_run(spec), environment=ON_KUBERNETES)
    simulation.run_until_idle()
    simulation.complete(simulation.find("prepare"))
    simulation.run_until_idle()
    (name,) = simulation.active()
    order: StageOrder = simulation.attempts[name].order
    return order


def last_evaluation(jobs: str) -> PlannerSimulation:
    """Return a run whose last model has a Job of its own for its evaluation."""
    spec = spec_with(iterations=2, compute={"inference": {"jobs": jobs}}, yardstick={"items": 130})
    simulation = PlannerSimulation(make_run(spec), environment=ON_KUBERNETES)
    simulation.run_until_idle()
    while LAST not in {simulation.attempts[one].order.steps[0].id for one in simulation.active()}:
        for name in simulation.active():
            simulation.complete(name)
        simulation.run_until_idle()
    return simulation


def commit_all(artifacts: ArtifactStore, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Commit stages with these statistics by key; their parts do not matter."""
    for key, statistics in found.items():
        manifest = Manifest(
            key=key,
            stage=StageInfo(kind="x", version=1, id="x", iteration=1),
            timings=Timings(started_at=START, finished_at=START),
            statistics=statistics,
            run=RunRef(namespace="ns", name="run", uid="u"),
        )
        artifacts.commit(key, manifest)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Cluster]:
    """Returns a function that makes the pods of a Job; the times of the walk are short."""
    monkeypatch.setattr(worker_module, "check_versions", lambda _: None)
    reports = partial(pod_reports.PodReports, beat_seconds=0.05, stale_seconds=5.0)
    monkeypatch.setattr(worker_module, "PodReports", reports)

    def make(
        pods: int,
        jobs: str = "PerRole",
        timings: WalkTimings = FAST,
        order: StageOrder | None = None,
        **changes: Any,
    ) -> Cluster:
        made = Cluster(order or order_of(jobs, **changes), tmp_path, pods)
        program = SimpleNamespace(run=made.program)
        monkeypatch.setattr(worker_module, "stage_program", lambda _: program)
        monkeypatch.setattr(worker_module, "JobWalk", partial(JobWalk, timings=timings))
        return made

    return make


def test_one_pod_executes_all_stages_of_its_job(cluster) -> None:
    one = cluster(1)
    one.start(0)
    (result,) = one.results()
    assert result.outcome is Outcome.COMMITTED
    assert [step.id for step in result.steps] == GENERATION
    assert [step.id for step in one.reported[0]] == GENERATION
    assert result.frontier.count == 5
    assert result.frontier.statistics == {"i1/curate/r1": (189.0,), "i1/curate/r2": (500.0,)}
    assert set(one.made.values()) == {1}
    assert not any(step.adopted for step in result.steps)


def test_a_joined_job_continues_with_the_scores(cluster) -> None:
    one = cluster(1, "Joined")
    one.start(0)
    (result,) = one.results()
    assert [step.id for step in result.steps] == [*GENERATION, "i1/assess"]


@pytest.mark.parametrize("jobs", ["PerRole", "Joined"])
def test_the_last_model_is_evaluated_after_its_training(cluster, jobs: str) -> None:
    """The Job begins after stages of its own iteration that it does not execute."""
    simulation = last_evaluation(jobs)
    order = simulation.attempts[simulation.find(LAST)].order
    two = cluster(2, order=order)
    commit_all(two.artifacts, simulation.store)
    for pod in range(2):
        two.start(pod)
    for result in two.results():
        assert result.outcome is Outcome.COMMITTED
        assert [step.id for step in result.steps] == [LAST]
    assert two.made == {(LAST, part): 1 for part in range(part_count(order.steps[0].items))}


def test_pods_share_the_parts_and_one_pod_makes_each_curate(cluster) -> None:
    three = cluster(3)
    for pod in range(3):
        three.start(pod)
    results = three.results()
    assert [result.outcome for result in results] == [Outcome.COMMITTED] * 3
    assert all([step.id for step in r.steps] == GENERATION for r in results)
    assert set(three.made.values()) == {1}
    assert three.makers["i1/respond"] == {0, 1, 2}
    # Round 1 is made by pod 1, and round 2 by pod 2.
    assert (three.makers["i1/curate/r1"], three.makers["i1/curate/r2"]) == ({1}, {2})


def test_a_stage_that_reads_whole_inputs_waits_for_the_parts_of_all_pods(cluster) -> None:
    two = cluster(2, "Joined", assessment={"controls": 130})
    scored: set[int] = set()

    def before_part(pod: int, stage: str, part: int) -> None:
        if stage == "i1/assess" and pod == 1:
            time.sleep(0.05)
        if stage == "i1/assess":
            scored.add(part)
        if stage == "i1/controls":
            assert scored == set(range(part_count(COUNT)))

    two.before_part = before_part
    for pod in range(2):
        two.start(pod)
    results = two.results()
    assert [step.id for step in results[0].steps] == [*GENERATION, "i1/assess", "i1/controls"]
    assert {part for stage, part in two.made if stage == "i1/controls"} == {0, 1, 2}


def test_a_pod_without_a_node_holds_nothing_up(cluster) -> None:
    four = cluster(4)
    for pod in (0, 2, 3):
        four.start(pod)
    assert all(four.result(pod).outcome is Outcome.COMMITTED for pod in (0, 2, 3))
    assert set(four.made.values()) == {1}
    made = dict(four.made)
    # The missing pod gets its node at last, and finds all stages committed.
    four.start(1)
    result = four.result(1)
    assert result.outcome is Outcome.COMMITTED
    assert all(step.adopted for step in result.steps)
    assert dict(four.made) == made


@pytest.mark.parametrize("stage", GENERATION)
def test_the_parts_of_a_killed_pod_are_taken_over(stage: str, cluster) -> None:
    three = cluster(3)
    victims = {"i1/curate/r1": 1, "i1/curate/r2": 2}
    victim = victims.get(stage, 0)

    def kill(pod: int, where: str, *_: int) -> None:
        if pod == victim and where == stage:
            raise Killed

    three.before_part = three.before_alone = kill
    for pod in range(3):
        three.start(pod)
    results = three.results()
    assert results.pop(victim) is None
    assert [result.outcome for result in results] == [Outcome.COMMITTED] * 2
    assert set(three.made.values()) == {1}
    # The pod that replaces the killed one has nothing to do.
    three.start(victim)
    assert three.result(victim).outcome is Outcome.COMMITTED
    assert set(three.made.values()) == {1}


def test_a_pod_that_starts_late_leaves_the_parts_that_another_pod_has_taken_over(cluster) -> None:
    two = cluster(2)
    taken, started = threading.Event(), threading.Event()

    def hold(pod: int, stage: str, part: int) -> None:
        if pod == 0 and stage == "i1/respond" and part % 2 == 1:
            taken.set()
            assert started.wait(PATIENCE_SECONDS)

    two.before_part = hold
    two.start(0)
    assert taken.wait(PATIENCE_SECONDS)
    two.start(1)
    assert two.makers["i1/respond"] == {0}
    threading.Timer(1.0, started.set).start()
    assert all(result.outcome is Outcome.COMMITTED for result in two.results())
    assert set(two.made.values()) == {1}


def test_a_pod_that_can_do_nothing_ends(cluster) -> None:
    two = cluster(2, timings=WalkTimings(poll=0.01, turn=0.1, take_over=0.1, idle=0.5))
    go_on = threading.Event()

    def hold(pod: int, stage: str, part: int) -> None:
        if pod == 0 and stage == "i1/respond" and part == 6:
            assert go_on.wait(PATIENCE_SECONDS)

    two.before_part = hold
    two.start(0)
    two.start(1)
    waited = two.result(1)
    assert waited.outcome is Outcome.PARTIAL
    assert waited.exit_code == 0
    assert waited.frontier.count == 4
    go_on.set()
    assert two.result(0).outcome is Outcome.COMMITTED


def test_a_failure_says_which_stages_are_committed(cluster) -> None:
    one = cluster(1)

    def fail(_pod: int, stage: str, _part: int) -> None:
        if stage == "i1/respond":
            raise BadInputError("no such file")

    one.before_part = fail
    one.start(0)
    (result,) = one.results()
    assert (result.outcome, result.exit_code) == (Outcome.FAILED, 64)
    assert [step.id for step in result.steps] == GENERATION[:-1]
    assert result.frontier.count == 4


def test_the_commit_of_a_pod_that_was_killed_after_its_last_part_is_made_by_another(
    cluster,
) -> None:
    two = cluster(2)
    stored: list[int] = []

    def kill_at_commit(context: StageContext[Any]) -> None:
        if (context.shard.index, context.step.id) == (1, "i1/respond"):
            stored.extend(context.artifacts.parts(context.step.key))
            raise Killed

    def be_last(pod: int, stage: str, part: int) -> None:
        others = [two.made[stage, other] for other in range(0, 8, 2)]
        if (pod, stage, part) == (1, "i1/respond", 7) and not all(others):
            threading.Event().wait(1.0)

    two.before_part, two.before_commit = be_last, kill_at_commit
    two.start(0)
    two.start(1)
    first, second = two.results()
    assert len(stored) == 8
    assert (first.outcome, second) == (Outcome.COMMITTED, None)
    assert set(two.made.values()) == {1}


def test_a_walk_whose_spec_cannot_be_read_is_a_failure(cluster) -> None:
    one = cluster(1)
    assert one.order.walk is not None
    broken = one.order.walk.model_copy(update={"spec": {"recipe": "ISheep"}})
    one.order = one.order.model_copy(update={"walk": broken})
    one.start(0)
    (result,) = one.results()
    assert result.outcome is Outcome.FAILED
    assert (result.steps, result.frontier) == ((), None)
