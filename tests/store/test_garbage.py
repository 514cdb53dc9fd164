"""What `isheep gc` finds and deletes, on both stores, with a kill after any number of deletions."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from isheep.api.status import SelfAlignmentRunStatus, StageRecord
from isheep.contract.order import RunRef
from isheep.local.cluster_runs import ClusterRuns, cluster_runs
from isheep.local.garbage import Garbage, delete_garbage, find_garbage
from isheep.local.lock import RunLock
from isheep.local.paths import LocalPaths
from isheep.local.stored_run import StoredRun
from isheep.store.artifacts import ArtifactStore
from isheep.store.documents import RunDocuments
from isheep.store.garbage import stored_stages
from isheep.store.interface import ObjectInfo, ObjectStore, StoreCorruptError
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


def delete_run(store: ObjectStore, name: str) -> None:
    for info in list(store.list(f"{NS}/runs/{name}/")):
        store.delete(info.key)


def write_cluster_run(store: ObjectStore, refers: str, reported: str | None) -> RunDocuments:
    documents = RunDocuments(store, RunRef(namespace=NS, name="far", uid=CLUSTER_UID))
    documents.write("prepare.json", b"{}")
    for letter in refers:
        documents.add_ref(key(letter))
    if reported is not None:
        documents.write_stages({f"i1/s/{letter}": key(letter) for letter in reported})
    return documents


@pytest.fixture
def find(store: ObjectStore, tmp_path: Path) -> Callable[..., Garbage]:
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


def test_only_stages_that_no_run_refers_to_are_deleted(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    for letter in "abc":
        write_stage(store, letter)
    for letter in "def":
        write_stage(store, letter, committed=False)
    # a: by a reference; b: by a reference of a deleted run; c: by nothing; d: by a status;
    # e: by the newest report; f: by nothing.
    here = write_run(store, "here", committed="a", unfinished="d")
    write_run(store, "gone", committed="ab")
    delete_run(store, "gone")
    RunDocuments(store, here).write_stages({"i1/report": key("e")})

    found = find()
    assert letters(found) == "bcf"
    assert [stage.committed for stage in found.stages] == [True, True, False]
    assert found.deleted_runs == ("gone",)
    assert (found.elsewhere, found.uncovered, found.executed) == ((), (), {})
    before = keys_in(store)
    assert find() == found
    assert keys_in(store) == before

    assert list(delete_garbage(store, found)) == list(found.stages)
    assert keys_in(store) == [
        one
        for one in before
        if not any(key(letter) in one for letter in "bcf")
        and one != f"{NS}/refs/{key('a')}/{StoredRun(store, NS, 'gone').ref.uid}"
    ]
    assert find().stages == ()


def test_sizes_are_those_of_all_objects_under_the_key(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_stage(store, "a")
    assert find().stages[0].bytes == sum(info.size for info in store.list(f"{NS}/"))


def test_a_stage_with_an_object_newer_than_the_limit_is_kept(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_run(store, "gone", committed="a")
    write_stage(store, "a")
    write_stage(store, "b", committed=False)
    delete_run(store, "gone")
    found = find(before=time.time() - 3600)
    assert found.stages == ()
    list(delete_garbage(store, found))
    # A later collection must still find that a deleted run refers to the stage.
    assert letters(find()) == "ab"
    assert find().deleted_runs == ("gone",)


def test_a_key_in_the_spec_of_a_run_is_kept(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_stage(store, "a")
    uri = f"file:///data/{NS}/stages/{key('a')}/files"
    StoredRun(store, NS, "second").submit({**SPEC, "model": {"storageUri": uri}}, {}, NOW)
    assert find().stages == ()


def test_folders_that_are_no_stages_are_left_alone(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    store.put(f"{NS}/stages/notes/text", b"mine")
    store.put(f"{NS}/stages/{key('a')}", b"mine")
    assert find().stages == ()


def test_a_run_that_was_moved_with_its_store_keeps_its_references(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_stage(store, "a")
    write_run(store, "here")
    moved_uid = "11111111-1111-5111-8111-111111111111"
    place = f"{NS}/runs/here/run.json"
    store.put(place, json.dumps(json.loads(store.get(place)) | {"uid": moved_uid}).encode())
    RunDocuments(store, RunRef(namespace=NS, name="here", uid=moved_uid)).add_ref(key("a"))
    found = find()
    assert (found.stages, found.elsewhere) == ((), ())


def test_a_damaged_document_of_any_run_is_named(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_stage(store, "a")
    ref = write_run(store, "here")
    RunDocuments(store, ref).write_stages({})
    for file in ("run.json", "status.json", "stages.json"):
        place = f"{NS}/runs/here/{file}"
        whole = store.get(place)
        for content in (b"", b"{", b"[1]", b"null", b"\xff", b'{"stages": [1]}'):
            store.put(place, content)
            with pytest.raises(StoreCorruptError, match=rf"{place} is damaged"):
                find()
        store.put(place, whole)
    assert letters(find()) == "a"


def test_a_damaged_reference_is_named(store: ObjectStore, find: Callable[..., Garbage]) -> None:
    for place in (f"{NS}/refs/{key('a')}/uid", f"{NS}/refs/{key('b')}"):
        store.put(place, b'{"name": 1}')
        with pytest.raises(StoreCorruptError, match=f"{place} is damaged"):
            find()
        store.delete(place)


def test_a_run_whose_status_was_deleted_is_not_covered(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_run(store, "here", committed="a")
    store.delete(f"{NS}/runs/here/status.json")
    assert [run.name for run in find().uncovered] == ["here"]


def test_a_run_of_a_cluster_is_covered_by_its_newest_report_only(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    def uncovered() -> bool:
        found = find()
        assert [run.name for run in found.elsewhere] == ["far"]
        return bool(found.uncovered)

    write_cluster_run(store, "", None)
    assert uncovered()
    write_cluster_run(store, "", "a")
    assert not uncovered()
    write_cluster_run(store, "a", None)
    assert not uncovered()
    write_cluster_run(store, "b", None)
    assert uncovered()
    write_cluster_run(store, "", "abc")
    assert not uncovered()
    store.delete(f"{NS}/runs/far/stages.json")
    assert uncovered()


def test_with_a_run_of_a_cluster_only_stages_of_deleted_runs_are_deleted(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    for letter in "abc":
        write_stage(store, letter)
    write_stage(store, "d", committed=False)
    write_cluster_run(store, "a", "a")
    write_run(store, "gone", committed="ab")
    delete_run(store, "gone")
    # c can be a stage of the cluster's run whose reference could not be written.
    assert letters(find()) == "b"


def test_the_references_of_a_run_without_any_document_are_not_covered(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    RunDocuments(store, RunRef(namespace=NS, name="far", uid=CLUSTER_UID)).add_ref(key("a"))
    assert [run.uid for run in find().uncovered] == [CLUSTER_UID]


def test_the_work_of_a_run_that_a_process_executes_is_kept(
    store: ObjectStore, find: Callable[..., Garbage], tmp_path: Path
) -> None:
    write_stage(store, "a")
    write_stage(store, "b", committed=False)
    ref = write_run(store, "here")
    paths = LocalPaths.of(ref.uid, {"XDG_STATE_HOME": str(tmp_path / "state")})
    lock = RunLock.take(paths.lock)
    try:
        found = find()
        assert (found.stages, found.executed) == ((), {"here": os.getpid()})
    finally:
        lock.release()
    assert letters(find()) == "ab"


def test_what_is_used_since_it_was_found_is_kept(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    for letter in "ac":
        write_stage(store, letter)
    write_stage(store, "b", committed=False)
    found = find()
    ref = write_run(store, "new", committed="a")
    write_stage(store, "b")
    assert [stage.key for stage in delete_garbage(store, found)] == [key("c")]
    assert RunDocuments(store, ref).read("status.json") is not None
    assert {stage.key[0] for stage in stored_stages(store, NS)} == {"a", "b"}


def test_a_deleted_run_that_is_started_again_keeps_everything(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_stage(store, "a")
    write_run(store, "gone", committed="a")
    delete_run(store, "gone")
    found = find()
    write_run(store, "gone")
    before = keys_in(store)
    assert list(delete_garbage(store, found)) == []
    assert keys_in(store) == before


class KilledError(Exception):
    """The process was killed."""


class KilledStore:
    """A store whose process is killed after a number of deletions."""

    def __init__(self, store: ObjectStore, deletions: int) -> None:
        self._store = store
        self._left = deletions

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._store.list(prefix)

    def delete(self, key: str) -> None:
        if self._left == 0:
            raise KilledError
        self._left -= 1
        self._store.delete(key)


def test_a_kill_after_any_deletion_leaves_no_manifest_without_its_parts(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    for letter in "ab":
        write_stage(store, letter)
    write_run(store, "here", committed="a")
    write_run(store, "gone", committed="ab")
    delete_run(store, "gone")
    artifacts = ArtifactStore(store, NS)
    deletions = 0
    for _ in range(50):
        killed = KilledStore(store, deletions=1)
        try:
            list(delete_garbage(killed, find()))
        except KilledError:
            deletions += 1
        else:
            break
        assert list(artifacts.read_lines(key("a"))) == [b"{}"] * 2
        manifest = artifacts.manifest(key("b"))
        assert manifest is None or len(artifacts.parts(key("b"))) == len(manifest.parts)
    assert deletions >= 5
    assert {stage.key[0] for stage in stored_stages(store, NS)} == {"a"}
    assert len(list(store.list(f"{NS}/refs/"))) == 1


def write_uses(store: ObjectStore, name: str, refers: str, cluster: str | None = "lease-1") -> None:
    """Write the references of a run of a cluster to stages, and the stages."""
    run = RunRef(namespace=NS, name=name, uid=f"uid-{name}", cluster=cluster)
    documents = RunDocuments(store, run)
    for letter in refers:
        if store.head(f"{NS}/stages/{key(letter)}/manifest.json") is None:
            write_stage(store, letter)
        documents.add_ref(key(letter))
    documents.write_stages({f"i1/s/{letter}": key(letter) for letter in refers})


def on_cluster(**phases: str) -> Callable[[], ClusterRuns]:
    """Return the runs of a cluster by name, each with its phase; they are prepared."""
    documents = [
        {
            "metadata": {"name": name, "uid": f"uid-{name}", "generation": 1},
            "spec": {},
            "status": {
                "phase": phase,
                "observedGeneration": 1 if phase else -1,
                "stages": [{"id": "prepare", "key": key("0"), "committed": phase != "Pending"}],
            },
        }
        for name, phase in phases.items()
    ]
    return lambda: cluster_runs(documents)


def test_the_stages_of_a_run_that_was_deleted_from_the_cluster_are_deleted(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_uses(store, "here", "ab")
    write_uses(store, "gone", "bc")
    write_stage(store, "d", committed=False)
    # Without the runs of the cluster, nothing shows that the run was deleted.
    assert letters(find()) == ""
    found = find(on_cluster=on_cluster(here="Succeeded"))
    assert letters(found) == "cd"
    assert found.deleted_runs == ("gone",)
    assert list(delete_garbage(store, found)) == list(found.stages)
    left = {name.split("/")[2] for name in keys_in(store) if name.startswith(f"{NS}/refs/")}
    assert left == {key("a"), key("b")}
    assert letters(find(on_cluster=on_cluster(here="Succeeded"))) == ""


def test_a_run_of_another_cluster_is_kept(store: ObjectStore, find: Callable[..., Garbage]) -> None:
    write_uses(store, "here", "a")
    write_uses(store, "far", "b", cluster="lease-2")
    write_uses(store, "old", "c", cluster=None)
    write_stage(store, "d")
    found = find(on_cluster=on_cluster(here="Succeeded"))
    # d can be a stage of another cluster's run whose reference could not be written.
    assert letters(found) == ""
    assert sorted(run.name for run in found.elsewhere) == ["far", "old"]
    RunDocuments(store, RunRef(namespace=NS, name="far", uid="uid-far")).write_stages({})
    assert [run.name for run in find(on_cluster=on_cluster(here="Succeeded")).uncovered] == ["far"]


@pytest.mark.parametrize("runs", [{}, {"new": "Succeeded"}], ids=["none", "no reference"])
def test_a_list_that_no_reference_confirms_shows_no_deletion(
    runs: dict[str, str], store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    """The list can come from the wrong cluster, or from the wrong namespace."""
    write_uses(store, "gone", "a")
    found = find(on_cluster=on_cluster(**runs))
    assert (letters(found), found.deleted_runs) == ("", ())


@pytest.mark.parametrize(
    ("phase", "deleted"), [("Succeeded", "bc"), ("Running", "b"), ("Pending", ""), ("", "")]
)
def test_a_run_that_has_not_ended_keeps_what_it_may_use(
    phase: str, deleted: str, store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_uses(store, "here", "a")
    write_uses(store, "gone", "b")
    write_stage(store, "c", committed=False)
    found = find(on_cluster=on_cluster(here=phase))
    assert letters(found) == deleted
    assert bool(found.references) is (deleted != "")


def test_the_keys_in_the_status_of_a_run_are_kept_without_a_reference(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_uses(store, "here", "a")
    write_uses(store, "gone", "0")
    assert letters(find(on_cluster=on_cluster(here="Succeeded"))) == ""


def test_the_runs_are_listed_after_the_references(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    """A run that starts meanwhile has references and is not in an earlier list."""
    write_uses(store, "here", "a")

    def listed() -> ClusterRuns:
        write_uses(store, "new", "b")
        return on_cluster(here="Succeeded")()

    found = find(on_cluster=listed)
    assert found.deleted_runs == ()
    # Its stage was not listed either, and a stage that was is checked again before its deletion.
    assert letters(found) == ""


def test_a_failed_list_ends_the_collection(
    store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    write_uses(store, "gone", "a")
    before = keys_in(store)

    def fail() -> ClusterRuns:
        raise ConnectionError("the API server does not answer")

    with pytest.raises(ConnectionError):
        find(on_cluster=fail)
    assert keys_in(store) == before
