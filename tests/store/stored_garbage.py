"""Stages and runs in a store, from which tests find what is garbage."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from isheep.api.status import SelfAlignmentRunStatus, StageRecord
from isheep.contract.order import RunRef
from isheep.local.cluster_runs import ClusterRuns
from isheep.local.garbage import Garbage, find_garbage
from isheep.local.stored_run import StoredRun
from isheep.store.artifacts import ArtifactStore
from isheep.store.documents import RunDocuments
from isheep.store.interface import ObjectStore
from isheep.store.manifest import Manifest, StageInfo, Timings
from isheep.store.work import work_folder

NS = "ns"
NOW = datetime(2025, 1, 1, tzinfo=UTC)
SPEC = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://org/tiny"}}
CLUSTER_UID = "5f0c6a0e-0000-4000-8000-000000000001"


def key(letter: str) -> str:
    return letter * 64


def write_stage(store: ObjectStore, letter: str, *, committed: bool = True) -> None:
    """Write a stage with two parts and a checkpoint, and commit it or not."""
    artifacts = ArtifactStore(store, NS)
    for index in range(2):
        artifacts.write_part(key(letter), index, [b"{}"])
    store.put(f"{work_folder(NS, key(letter))}completions/x.zst", b"x")
    if committed:
        manifest = Manifest(
            key=key(letter),
            stage=StageInfo(kind="respond", version=1, id="i1/respond", iteration=1),
            parts=tuple(artifacts.collect_parts(key(letter), 2)),
            timings=Timings(started_at=NOW, finished_at=NOW),
            run=RunRef(namespace=NS, name="maker", uid="maker"),
        )
        artifacts.commit(key(letter), manifest)


def write_run(
    store: ObjectStore, name: str, *, committed: str = "", unfinished: str = ""
) -> RunRef:
    """Write the documents of a run of `isheep run`, and its references to committed stages."""
    stored = StoredRun(store, NS, name)
    stored.submit(SPEC, {}, NOW)
    records = [StageRecord(id=f"i1/s/{c}", key=key(c), committed=True) for c in committed]
    records += [StageRecord(id=f"i1/s/{c}", key=key(c)) for c in unfinished]
    stored.write_status(SelfAlignmentRunStatus(stages=tuple(records)))
    for letter in committed:
        RunDocuments(store, stored.ref).add_ref(key(letter))
    return stored.ref


@pytest.fixture(name="find")
def find_fixture(store: ObjectStore, tmp_path: Path) -> Callable[..., Garbage]:
    """Return what is garbage in a minute, when everything is older than the limit."""

    def found(
        *, before: float = time.time() + 60, on_cluster: Callable[[], ClusterRuns] | None = None
    ) -> Garbage:
        environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
        return find_garbage(
            store, NS, before=before, environment=environment, on_cluster=on_cluster
        )

    return found


def letters(garbage: Garbage) -> str:
    return "".join(stage.key[0] for stage in garbage.stages)


def keys_in(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list(f"{NS}/")]
