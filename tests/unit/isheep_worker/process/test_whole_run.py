"""A whole run in one pod: real worker processes without models, and a store in a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.order import Outcome, StageOrder, StageResult, Step, StepResult
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.local.inbox import StopRequested
from isheep.local.worker import Inbox
from isheep.planner.plan import plan
from isheep.planner.types import AttemptState, Environment, Plan, PodFolders, Start
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep_worker.process import whole_run
from isheep_worker.process.whole_run import execute_run
from isheep_worker.runtime.progress import Report

from ...isheep.planner.scenarios import run_until
from ...isheep.planner.simulation import PlannerSimulation, make_run
from ...isheep.planner.walking_workers import walk_job

FAKE_WORKER = Path(__file__).parents[2] / "isheep/local/fake_worker.py"
STAGES = ["generate/r1", "curate/r1", "respond", "assess", "select", "train", "merge", "report"]
SPEC: dict[str, Any] = {
    "recipe": "ISheep",
    "iterations": 1,
    "model": {"storageUri": "hf://org/tiny"},
    "engine": {"type": "Transformers"},
    "instructions": {"count": 64},
    "selection": {"minSamples": 1},
    "compute": {"jobs": "Run"},
    "yardstick": {"items": 0},
}


def ids(stages: list[str], iteration: int = 1) -> list[str]:
    return [f"i{iteration}/{stage}" for stage in stages]


class Pod:
    """The pods of one run: each call of `execute` is one pod with the run's newest order."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.control = folder / "control"
        self.control.mkdir()
        store = StoreSpec(folder=FolderStoreSpec(path=str(folder / "store")))
        environment = Environment(
            default_storage=store, worker_image="image", pods=PodFolders("/pvc", "/maps")
        )
        self.simulation = PlannerSimulation(make_run({**SPEC, **changes}), environment=environment)
        self.inbox = Inbox()
        self.reports: list[Report] = []
        self.commits: list[StepResult] = []

    def order(self, first: str = "i1/generate/r1") -> StageOrder:
        """Return the order of the Job that begins with a stage."""
        return self.simulation.attempts[run_until(self.simulation, first)].order

    def behave(self, stage: str, what: str) -> None:
        (self.control / f"{stage.replace('/', '.')}.0").write_text(what)

    def execute(self, order: StageOrder) -> StageResult:
        assert order.walk is not None
        return execute_run(
            order,
            order.walk,
            environment={
                **os.environ,
                "FAKE_ORDERS": str(self.control),
                "CUDA_VISIBLE_DEVICES": "",
            },
            inbox=self.inbox,
            on_report=self.report,
            on_commit=self.commits.append,
            command=(sys.executable, str(FAKE_WORKER)),
        )

    def end(self, result: StageResult) -> None:
        """End the Job with the result of its pod, and let the operator plan."""
        (name,) = self.simulation.active()
        attempt = self.simulation.attempts[name]
        succeeded = result.exit_code == 0
        attempt.state = AttemptState.SUCCEEDED if succeeded else AttemptState.FAILED
        attempt.exit_code, attempt.finished = result.exit_code, self.simulation.now
        attempt.results = (result,)
        self.simulation.run_pass()

    def report(self, report: Report) -> None:
        self.reports.append(report)

    @property
    def executed(self) -> list[str]:
        """The stages that workers have received, in order."""
        lines = (self.control / "log.txt").read_text().splitlines()
        return [line.split()[1] for line in lines]


class Before(dict[str, dict[str, float]]):
    """The statistics by key before a pod has committed the stages `made`, and what it adds."""

    def __init__(self, order: StageOrder, made: Collection[str]) -> None:
        super().__init__()
        self._artifacts = ArtifactStore(open_store(order.store), order.run.namespace)
        self._made = made

    def get(self, key: str, default: Any = None) -> Any:
        if key in self or key in self._made:
            return super().get(key, default)
        manifest = self._artifacts.manifest(key)
        return default if manifest is None else manifest.statistics

    def commit(self, step: Step) -> StepResult:
        """Commit a stage with the statistics that the pod has stored."""
        manifest = self._artifacts.manifest(step.key)
        assert manifest is not None, f"the pod has not committed {step.id}"
        self[step.key] = dict(manifest.statistics)
        return StepResult(id=step.id, key=step.key, statistics=self[step.key])


def check_simulation(order: StageOrder, result: StageResult, limit: int | None = None) -> None:
    """Check that the walk of the simulations commits the same stages; `limit` is their number."""
    store = Before(order, {step.key for step in result.steps})
    steps, frontier = walk_job(order, store, store.commit, limit)
    # The driver measures a model while another stage is at work, so the order can differ.
    assert {(s.id, s.key) for s in result.steps} == {(s.id, s.key) for s in steps}
    assert result.frontier == frontier


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_a_pod_executes_all_stages_and_reports_them(pod: Pod) -> None:
    order = pod.order()
    result = pod.execute(order)
    check_simulation(order, result)
    assert (result.outcome, result.exit_code) == (Outcome.COMMITTED, 0)
    assert pod.executed == ids(STAGES)
    assert [step.id for step in pod.commits] == ids(STAGES)
    assert [step.id for step in result.steps] == ids(STAGES)
    assert result.frontier is not None
    assert (result.frontier.count, result.frontier.first) == (len(STAGES), "i1/generate/r1")
    assert {report.stage for report in pod.reports} == set(ids(STAGES))
    # The operator computes the same keys, so the result completes the run.
    pod.end(result)
    assert pod.simulation.run.status.phase == "Succeeded"


def test_adapters_of_one_base_are_served_by_one_process(tmp_path: Path) -> None:
    measured = {"yardstick": {"items": 64}}
    pod = Pod(tmp_path, iterations=2, training={"handover": "Adapter"}, **measured)
    order = pod.order()
    result = pod.execute(order)
    assert result.exit_code == 0
    assert "i2/evaluate/yardstick" in {step.id for step in result.steps}
    check_simulation(order, result)
    lines = [line.split() for line in (pod.control / "log.txt").read_text().splitlines()]
    process = {stage: number for number, stage, *_ in lines}
    engines = {process[f"i{t}/{stage}"] for t in (1, 2) for stage in ("generate/r1", "assess")}
    trainers = {process[f"i{t}/train"] for t in (1, 2)}
    assert len(engines) == 1
    assert len(trainers) == 2
    assert not engines & trainers


def test_the_pod_writes_no_document_of_the_run(pod: Pod, tmp_path: Path) -> None:
    pod.execute(pod.order())
    assert not list((tmp_path / "store").rglob("run.json"))
    assert not list((tmp_path / "store").rglob("status.json"))


@pytest.mark.parametrize(
    ("behaviour", "code", "reason"),
    [
        ("fail 74 StoreFull", 74, "StoreFull"),
        ("fail 80 OutOfDeviceMemory", 80, "OutOfDeviceMemory"),
        ("die", 137, "Killed"),
        ("exit", 70, "Defect"),
    ],
)
def test_the_first_failure_ends_the_pod_without_a_retry(
    behaviour: str, code: int, reason: str, pod: Pod
) -> None:
    pod.behave("i1/train", behaviour)
    order = pod.order()
    result = pod.execute(order)
    check_simulation(order, result, limit=5)
    assert (result.outcome, result.exit_code, result.reason) == (Outcome.FAILED, code, reason)
    assert pod.executed == ids(STAGES[:6])
    assert [step.id for step in result.steps] == ids(STAGES[:5])
    assert result.frontier is not None
    assert result.frontier.count == 5


def test_the_next_pod_continues_where_the_first_one_failed(pod: Pod) -> None:
    pod.behave("i1/train", "fail 74 StoreFull")
    order = pod.order()
    pod.execute(order)
    (pod.control / "log.txt").unlink()
    # The operator has not seen the commits, so its next Job begins with the same stage.
    again = pod.execute(order.model_copy(update={"attempt": 2}))
    assert again.exit_code == 0
    assert [s.id for s in again.steps] == ids(STAGES)
    assert pod.executed == ids(STAGES)


def test_the_next_pod_leaves_out_the_measurement_that_failed(tmp_path: Path) -> None:
    pod = Pod(tmp_path, yardstick={"items": 64})
    failing = "i0/evaluate/yardstick"
    pod.behave(failing, "fail 64 InvalidInput")
    pod.end(pod.execute(pod.order()))
    order = pod.order("i1/assess")
    assert order.walk is not None
    assert len(order.walk.failed) == 1
    result = pod.execute(order)
    assert result.exit_code == 0
    committed = {step.id for step in result.steps}
    assert failing not in committed
    assert {"i1/evaluate/yardstick", "i1/report"} <= committed
    check_simulation(order, result)
    # The frontier alone tells the operator the same.
    pod.end(result.model_copy(update={"steps": ()}))
    assert pod.simulation.run.status.phase == "Succeeded"


def test_the_next_pod_starts_with_the_reduced_memory_of_its_order(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    reductions: list[int] = []

    def planned(*arguments: Any) -> Plan:
        made = plan(*arguments)
        starts = [action for action in made.actions if isinstance(action, Start)]
        reductions.extend(start.order.runtime.memory_reduction for start in starts)
        return made

    monkeypatch.setattr(whole_run, "plan", planned)
    order = pod.order()
    runtime = order.runtime.model_copy(update={"memory_reduction": 2})
    pod.behave("i1/curate/r1", "fail 74 StoreFull")
    pod.execute(order.model_copy(update={"runtime": runtime}))
    assert reductions == [2, 0]


def test_stages_before_the_first_one_are_not_executed_again(pod: Pod) -> None:
    order = pod.order()
    whole = pod.execute(order)
    (pod.control / "log.txt").unlink()
    report = next(step for step in whole.steps if step.id == "i1/report")
    step = order.steps[0].model_copy(
        update={"id": report.id, "key": report.key, "kind": "report", "items": None}
    )
    result = pod.execute(order.model_copy(update={"steps": (step,)}))
    assert result.exit_code == 0
    assert pod.executed == ["i1/report"]
    assert [step.id for step in result.steps] == ["i1/report"]


def test_a_stop_ends_the_pod_with_its_exit_code(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    pod.behave("i1/respond", "hang")

    def stop(report: Report) -> None:
        if report.stage == "i1/respond" and report.detail == "working":
            pod.inbox.put(StopRequested())

    monkeypatch.setattr(pod, "report", stop)
    result = pod.execute(pod.order())
    assert (result.outcome, result.exit_code) == (Outcome.FAILED, 143)
    assert [step.id for step in result.steps] == ids(STAGES[:2])


def test_results_of_the_run_that_end_it_are_left_to_the_operator(tmp_path: Path) -> None:
    # The workers keep 2 pairs.
    pod = Pod(tmp_path, selection={"minSamples": 3})
    order = pod.order()
    result = pod.execute(order)
    check_simulation(order, result)
    assert (result.outcome, result.exit_code) == (Outcome.COMMITTED, 0)
    # The report shows why the run ends.
    assert [step.id for step in result.steps] == [*ids(STAGES[:5]), "i1/report"]


def test_a_pod_with_too_few_gpus_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = Pod(tmp_path, engine={"type": "VLLM", "vllm": {"tensorParallelSize": 4}})
    monkeypatch.setattr(
        "isheep_worker.process.whole_run.visible_devices", lambda _environment: ("0", "1")
    )
    result = pod.execute(pod.order())
    assert (result.exit_code, result.reason) == (64, "InvalidInput")
    assert "tensorParallelSize is 4" in str(result.message)
