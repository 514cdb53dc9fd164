"""A whole run in one pod: the pod's own program, with the real driver, workers, model and training.

The planner plans for Kubernetes, and this test starts the program of the worker image as a pod
does. The model is the tiny chat model, with the Transformers engine and a store in a folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import StageOrder, canonical_order, order_sha256, parse_result
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.planner.types import AttemptState, Environment, PodFolders
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore

from ..unit.isheep.planner.simulation import PlannerSimulation, make_run
from .command import MODEL, SECONDS, TINY_SPEC

SPEC = {
    **TINY_SPEC,
    "instructions": {**TINY_SPEC["instructions"], "count": 16},
    "training": {**TINY_SPEC["training"], "handover": "Adapter"},
    "compute": {"jobs": "Run"},
}


@dataclass
class Pods(PlannerSimulation):
    """A run whose Jobs are executed by the program of a pod, in a process of its own.

    The first pod of the run's Job is stopped when its first stage is committed.
    """

    folder: Path = field(default_factory=Path)
    codes: list[int] = field(default_factory=list)

    def complete(self, name: str, *, only: int | None = None) -> None:
        assert only is None
        attempt = self.attempts[name]
        message = self.folder / f"message-{len(self.codes)}"
        message.touch()
        text = canonical_order(attempt.order)
        pod = subprocess.Popen(
            [sys.executable, "-m", "isheep_worker"],
            env={
                **os.environ,
                "ISHEEP_ORDER": text,
                "ISHEEP_ORDER_SHA256": order_sha256(text),
                "ISHEEP_TERMINATION_LOG": str(message),
                "TMPDIR": str(self.folder),
            },
        )
        if len(self.codes) == 1:
            self.wait_for_commit(attempt.order, pod)
            pod.terminate()
        code = pod.wait(SECONDS)
        self.codes.append(code)
        result = parse_result(message.read_text())
        assert result is not None
        attempt.state = AttemptState.FAILED if code else AttemptState.SUCCEEDED
        attempt.exit_code, attempt.finished, attempt.results = code, self.now, (result,)

    def wait_for_commit(self, order: StageOrder, pod: subprocess.Popen[bytes]) -> None:
        artifacts = ArtifactStore(FolderStore(self.folder / "store"), "ns")
        while artifacts.manifest(order.steps[0].key) is None:
            assert pod.poll() is None, "the pod ended before its first commit"
            time.sleep(0.2)


@pytest.mark.long
def test_a_whole_run_in_one_pod_that_is_stopped_once(
    tmp_path: Path, tiny_chat_model_dir: Path
) -> None:
    environment = Environment(
        default_storage=StoreSpec(folder=FolderStoreSpec(path=str(tmp_path / "store"))),
        worker_image="image",
        mirrors={MODEL: str(tiny_chat_model_dir)},
        pods=PodFolders("/claims", "/config-maps"),
    )
    run = Pods(make_run(SPEC), environment=environment, folder=tmp_path)
    status = run.run_to_end()
    assert status.phase == "Succeeded", status.conditions
    assert run.codes == [ExitCode.DONE, ExitCode.STOPPED, ExitCode.DONE]
    # The second Job continues after the commits of the first one.
    first, second = run.started[1:]
    assert first == "i1/generate/r1"
    assert second != first
    artifacts = ArtifactStore(FolderStore(tmp_path / "store"), "ns")
    manifests = {record.id: artifacts.manifest(record.key) for record in status.stages[1:]}
    assert [stage for stage, manifest in manifests.items() if manifest is None] == []
    assert manifests["i1/train"] is not None
    assert manifests["i1/train"].statistics["samples"] > 0
    # The second pod loads the base once for all stages of both iterations.
    loads = {
        stage: manifest.statistics["modelLoads"]
        for stage, manifest in manifests.items()
        if manifest is not None and "modelLoads" in manifest.statistics and "train" not in stage
    }
    assert {"i1/respond", "i2/generate/r1", "i2/respond", "i2/assess"} < loads.keys()
    assert sum(loads.values()) == loads[first] + 1 == 2
