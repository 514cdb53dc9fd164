"""A walk with real stages makes the data of one Job for each stage, and starts fewer engines.

The planner plans for Kubernetes, and workers in this process replace the pods. The model is the
tiny chat model, with the Transformers engine and a store in a folder.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.order import StageOrder, StageResult
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.planner.types import AttemptState, Environment, PodFolders
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep.store.work import all_work
from isheep_worker.execution.engine_provider import EngineProvider
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

from ..unit.isheep.planner.simulation import PlannerSimulation, make_run
from .command import MODEL, TINY_SPEC

INFERENCE = ("generate", "curate", "respond", "assess")


@dataclass
class Pods(PlannerSimulation):
    """A run whose attempts are executed by real workers, one thread for each pod."""

    results: dict[str, tuple[StageResult, ...]] = field(default_factory=dict)

    def complete(self, name: str, *, only: int | None = None) -> None:
        assert only is None
        attempt = self.attempts[name]
        found: list[StageResult] = []
        pods = attempt.start.parallelism

        def work(order: StageOrder, shard: Shard) -> None:
            worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), shard)
            found.append(worker.run(order))
            worker.close()

        threads = [
            threading.Thread(target=work, args=(attempt.order, Shard(pod, pods)))
            for pod in range(pods)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [result.exit_code for result in found] == [0] * pods, found
        attempt.state, attempt.exit_code, attempt.finished = AttemptState.SUCCEEDED, 0, self.now
        attempt.results = tuple(found)
        self.results[name] = attempt.results


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The number of engine starts of each thread."""
    starts: Counter[str] = Counter()
    opened = EngineProvider._open

    # Transformers loads one model at a time in a process.
    loading = threading.Lock()

    def counting(provider: EngineProvider, *args: Any) -> Any:
        starts[threading.current_thread().name] += 1
        with loading:
            return opened(provider, *args)

    monkeypatch.setattr(EngineProvider, "_open", counting)
    return starts


def execute(folder: Path, model: Path, jobs: str, pods: int) -> Pods:
    """Execute the first iteration up to its training."""
    spec = {
        **TINY_SPEC,
        "iterations": 1,
        "compute": {"inference": {"jobs": jobs, "parallelism": pods}},
    }
    environment = Environment(
        default_storage=StoreSpec(folder=FolderStoreSpec(path=str(folder))),
        worker_image="image",
        mirrors={MODEL: str(model)},
        pods=PodFolders("/claims", "/config-maps"),
    )
    run = Pods(make_run(spec), environment=environment)
    for _ in range(60):
        run.run_pass()
        active = run.active()
        if any(name.startswith("i1/train") for name in active):
            return run
        for name in active:
            run.complete(name)
    raise AssertionError(run.run.status.conditions)


def data(run: Pods, folder: Path) -> dict[str, list[bytes]]:
    """Return the rows of the inference stages and of D(1), by stage id."""
    artifacts = ArtifactStore(FolderStore(folder), "ns")
    stages = [r for r in run.run.status.stages if r.id not in ("prepare", "i1/train")]
    return {record.id: list(artifacts.read_lines(record.key)) for record in stages}


def test_a_walk_of_two_pods_makes_the_same_data_with_fewer_engine_starts(
    tmp_path: Path, tiny_chat_model_dir: Path, engines: Counter[str]
) -> None:
    alone = execute(tmp_path / "alone", tiny_chat_model_dir, "PerStage", 1)
    rounds = sum(stage.startswith("i1/generate") for stage in alone.started)
    assert engines.total() == rounds + 2
    engines.clear()

    together = execute(tmp_path / "together", tiny_chat_model_dir, "PerRole", 2)
    assert together.started == ["prepare", "i1/generate/r1", "i1/assess", "i1/select", "i1/train"]
    # At most one start for each pod and role; a pod without a part starts none.
    assert set(engines.values()) == {1}
    assert engines.total() <= 4
    expected = data(alone, tmp_path / "alone")
    assert {stage.split("/")[1] for stage in expected} >= {*INFERENCE, "select"}
    assert data(together, tmp_path / "together") == expected
    reports = FolderStore(tmp_path / "together").list(all_work("ns"))
    assert not [info.key for info in reports if "/pods/" in info.key]
