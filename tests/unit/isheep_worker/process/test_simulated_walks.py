"""The walk of the simulations commits the stages that a real worker commits.

The tests of the planner, of the operator and the whole simulation replace the pods of a Job by
`walk_job`. Here the planner executes a run, and a real worker executes each of its Jobs, too: over
a real folder store, with programs that generate nothing. Both must report the same stages with the
same keys and the same statistics, and the same frontier. `test_whole_run` compares the Job of a
whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from isheep.contract.order import Outcome, StageOrder, StageResult, Step, StepResult
from isheep.contract.prepared import Prepared, PreparedJudge
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.process import worker as worker_module
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

from ...isheep.planner import simulation as simulation_module
from ...isheep.planner.prepared_inputs import with_evaluation
from ...isheep.planner.scenarios import MINUTE
from ...isheep.planner.simulated_statistics import statistics_of
from ...isheep.planner.simulation import PlannerSimulation, make_run, spec_with
from ...isheep.planner.test_job_walks import ON_KUBERNETES
from ...isheep.planner.walking_workers import walk_job
from .test_job_walk import commit_all

Store = dict[str, dict[str, float]]
ITEMS = {"items": 130}
EVALUATION = {
    "benchmarks": [{"name": "quiz", "task": "arc_easy"}],
    "judgements": [
        {"name": "wins", "storageUri": "s3://bucket/questions.jsonl"},
        {"name": "grades", "kind": "Grades", "storageUri": "s3://bucket/questions.jsonl"},
    ],
}
JUDGE = PreparedJudge(digest="j", dtype="float32", max_model_length=512, chat_format="c")
ENDPOINT = {"endpoint": {"url": "https://judge.example.com", "model": "m"}}
LOADED = {"model": {"storageUri": "hf://other/judge"}}
MEASURED = {
    "yardstick": ITEMS,
    "evaluation": EVALUATION,
    "judge": ENDPOINT,
    "assessment": {"controls": 130, "anchors": 130},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "all measurements": MEASURED,
    "Dromedary": {"recipe": "Dromedary", "iterations": 1, "yardstick": ITEMS},
}
FURTHER: dict[str, dict[str, Any]] = {
    "the method alone": {},
    "a loaded judge": {
        "yardstick": ITEMS,
        "evaluation": EVALUATION,
        "judge": LOADED,
        "assessment": {"assessor": "Judge", "controls": 130},
    },
    "from M(t-1)": {
        "yardstick": ITEMS,
        "training": {"startFrom": "Previous"},
        "assessment": {"assessor": "Base"},
    },
    "SelfInstruct": {"recipe": "SelfInstruct", "iterations": 1, "yardstick": ITEMS},
}


@dataclass(frozen=True)
class Failure:
    """How the first attempt of each Job ends that has more than `after` stages."""

    after: int
    code: int
    reason: str | None = None


class ComparedRun:
    """A run of the simulation whose Jobs are executed by a real worker, too."""

    def __init__(
        self, simulation: PlannerSimulation, folder: Path, *, failure: Failure | None = None
    ) -> None:
        self.simulation = simulation
        self.compared: list[StageResult] = []
        self._failure = failure
        self._store = StoreSpec(folder=FolderStoreSpec(path=str(folder)))
        self._artifacts = ArtifactStore(FolderStore(folder), "ns")
        self._stored: set[str] = set()
        self._statistics: Store = {}
        self._left: int | None = None

    def execute(self) -> list[StageResult]:
        """Execute the run to its end, and return the results of the Jobs with a walk."""
        simulation = self.simulation
        for _ in range(200):
            simulation.run_pass()
            simulation.finish_stops()
            if simulation.is_over():
                assert simulation.run.status.phase == "Succeeded", simulation.run.status.conditions
                return self.compared
            for name in simulation.active():
                self._execute(name)
            simulation.now += 10 * MINUTE
        raise AssertionError(f"the run has not ended: {simulation.run.status}")

    def program(self, context: StageContext[Any]) -> StageOutcome:
        """Commit a stage with the statistics that it has in the simulation."""
        if self._left == 0:
            raise BadInputError("the stage fails")
        if self._left is not None:
            self._left -= 1
        step = context.step
        found = _statistics(self.simulation, step, self._statistics)
        self._statistics[step.key] = found
        commit_all(context.artifacts, {step.key: found})
        return StageOutcome(statistics=found)

    def _execute(self, name: str) -> None:
        simulation, order = self.simulation, self.simulation.attempts[name].order
        if order.walk is None:
            simulation.complete(name)
            return
        failure = self._failure if order.attempt == 1 else None
        limit = None if failure is None else failure.after
        result = self._really(order, limit)
        steps, frontier = self._simulated(order, limit)
        # A worker first finds what is committed, also behind a stage that it makes then.
        assert sorted(result.steps, key=_id) == sorted(steps, key=_id)
        assert result.frontier == frontier
        assert steps or limit is None, "the Job has committed nothing"
        self.compared.append(result)
        if failure is None or result.outcome is Outcome.COMMITTED:
            simulation.complete(name)
        else:
            simulation.fail(name, failure.code, only=failure.after, reason=failure.reason)

    def _really(self, order: StageOrder, limit: int | None) -> StageResult:
        """Return the result of a real worker that executes an order."""
        store = self.simulation.store
        new = {key: found for key, found in store.items() if key not in self._stored}
        commit_all(self._artifacts, new)
        self._stored |= new.keys()
        self._statistics, self._left = dict(store), limit
        worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard(0, 1))
        result = worker.run(order.model_copy(update={"store": self._store}))
        assert result.outcome in (Outcome.COMMITTED, Outcome.FAILED), result
        assert (result.outcome is Outcome.COMMITTED) or limit is not None, result.message
        return result

    def _simulated(self, order: StageOrder, limit: int | None) -> Any:
        """Return the stages and the frontier of the walk in the simulation."""
        store: Store = dict(self.simulation.store)

        def make(step: Step) -> StepResult:
            adopted = step.key in store
            if not adopted:
                store[step.key] = _statistics(self.simulation, step, store)
            return StepResult(id=step.id, key=step.key, adopted=adopted, statistics=store[step.key])

        return walk_job(order, store, make, limit)


def _statistics(
    simulation: PlannerSimulation, step: Step, store: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    return statistics_of(step, store, simulation.yield_per_completion)


def _id(step: StepResult) -> str:
    return step.id


def simulation_of(jobs: str, settings: Mapping[str, Any]) -> PlannerSimulation:
    spec = spec_with(compute={"inference": {"jobs": jobs}}, **settings)
    return PlannerSimulation(make_run(spec), environment=ON_KUBERNETES)


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that executes a run of the simulation, and compares its Jobs."""

    def with_judge(prepared: Prepared, spec: Any) -> Prepared:
        return with_evaluation(prepared.model_copy(update={"judge": JUDGE}), spec)

    monkeypatch.setattr(simulation_module, "with_evaluation", with_judge)

    def execute(
        simulation: PlannerSimulation, *, failure: Failure | None = None
    ) -> list[StageResult]:
        compared = ComparedRun(simulation, tmp_path, failure=failure)
        program = SimpleNamespace(run=compared.program)
        monkeypatch.setattr(worker_module, "stage_program", lambda _: program)
        return compared.execute()

    return execute


@pytest.mark.parametrize("jobs", ["PerRole", "Joined"])
@pytest.mark.parametrize(
    "settings",
    [
        *(pytest.param(one, id=name) for name, one in SETTINGS.items()),
        *(pytest.param(one, id=name, marks=pytest.mark.long) for name, one in FURTHER.items()),
    ],
)
def test_a_job_commits_the_same_stages_as_in_the_simulation(
    jobs: str, settings: dict[str, Any], compare: Any
) -> None:
    simulation = simulation_of(jobs, settings)
    results = compare(simulation)
    assert len(results) >= 1
    walked = {step.id for result in results for step in result.steps}
    last = f"i{simulation.run.spec['iterations']}/evaluate/yardstick"
    assert (last in walked) is ("yardstick" in settings)


def test_stages_alone_do_not_walk(compare: Any) -> None:
    assert compare(simulation_of("PerStage", MEASURED)) == []


def test_a_killed_job_reports_the_same_stages_as_in_the_simulation(compare: Any) -> None:
    killed = Failure(after=2, code=137)
    results = compare(simulation_of("Joined", MEASURED), failure=killed)
    ended = [len(result.steps) for result in results if result.outcome is Outcome.FAILED]
    assert ended == [2, 2, 2]


def test_a_job_leaves_out_the_measurement_that_failed_as_in_the_simulation(compare: Any) -> None:
    simulation = simulation_of("PerRole", {"yardstick": ITEMS, "iterations": 1})
    finally_failed = Failure(after=5, code=64, reason="InvalidInput")
    results = compare(simulation, failure=finally_failed)
    (record,) = (r for r in simulation.run.status.stages if r.id == "i0/evaluate/yardstick")
    assert record.failure is not None
    assert results[0].steps[-1].id == "i1/respond"


def test_a_job_adopts_the_same_stages_as_in_the_simulation(compare: Any) -> None:
    """The store has two of three stages, for example those of a run that was deleted."""
    first = simulation_of("Joined", MEASURED)
    first.run_to_end()
    second = simulation_of("Joined", MEASURED)
    kept = [key for number, key in enumerate(first.store) if number % 3]
    second.store = {key: first.store[key] for key in kept}
    results = compare(second)
    assert any(step.adopted for result in results for step in result.steps)
    assert any(not step.adopted for result in results for step in result.steps)
