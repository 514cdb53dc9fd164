"""The commands that find the data of a run by the status on a cluster. No operator works here.

The store is a folder, so `status.modelUri` is a path. `tests/store` reads the same from a bucket.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from isheep.contract.order import RunRef
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep.store.manifest import Manifest, StageInfo, Timings

from .harness.api import MERGE_PATCH
from .harness.cluster import Cluster
from .harness.command import isheep
from .harness.runs import Run

NAMESPACE = "data-of-a-run"
STAGES = {"i1/merge": {"model.safetensors": "weights"}, "i1/report": {"report.html": "<p>r</p>"}}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def key_of(stage: str) -> str:
    return stage.replace("/", "-")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def stored(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """A run on a cluster whose status names a model and a report in the store of a folder."""
    artifacts = ArtifactStore(FolderStore(folder / "store"), NAMESPACE)
    for stage, texts in STAGES.items():
        infos = []
        for name, text in texts.items():
            (folder / name).write_text(text)
            infos.append(artifacts.write_file(key_of(stage), name, folder / name))
        manifest = Manifest(
            key=key_of(stage),
            stage=StageInfo(kind=stage[3:], version=1, id=stage, iteration=1),
            files=tuple(infos),
            timings=Timings(started_at=NOW, finished_at=NOW),
            run=RunRef(namespace=NAMESPACE, name="run", uid="u"),
        )
        artifacts.commit(key_of(stage), manifest)
    cluster.open_namespace(NAMESPACE)
    path = f"/apis/isheep.dev/v1alpha1/namespaces/{NAMESPACE}/selfalignmentruns"
    cluster.server.must("POST", path, Run().document())
    status = {
        "phase": "Running",
        "modelUri": f"{folder}/store/{NAMESPACE}/stages/i1-merge/files",
        "stages": [{"id": stage, "key": key_of(stage), "committed": True} for stage in STAGES],
    }
    answer = cluster.server.request("PATCH", f"{path}/run/status", {"status": status}, MERGE_PATCH)
    assert answer.status == 200, answer.message
    yield folder
    cluster.close_namespace(NAMESPACE)


def test_the_model_and_the_report_of_a_name_are_read_from_its_store(
    cluster: Cluster, stored: Path
) -> None:
    pulled = isheep(cluster, "pull", "run", "-n", NAMESPACE, "-o", str(stored / "model"))
    assert pulled.returncode == 0, pulled.stderr
    assert "M(1) of run, full weights, 1 files" in pulled.stdout
    assert (stored / "model" / "model.safetensors").read_text() == "weights"
    report = isheep(cluster, "report", "run", "-n", NAMESPACE, "-o", "-")
    assert report.stdout == "<p>r</p>"
    exported = isheep(cluster, "export", "run", "-n", NAMESPACE, "--iteration", "1", "-o", "-")
    assert exported.returncode == 64, exported.stderr
    assert f"status run -n {NAMESPACE}`" in exported.stderr


def test_the_data_of_a_run_on_the_cluster_can_be_in_the_store_of_the_option(
    cluster: Cluster, stored: Path
) -> None:
    moved = (stored / "store").rename(stored / "moved")
    options = ("--context", "test", "-n", NAMESPACE, "--store", str(moved))
    report = isheep(cluster, "report", "run", *options, "-o", "-")
    assert report.stdout == "<p>r</p>", report.stderr
