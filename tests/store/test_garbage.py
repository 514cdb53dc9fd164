"""What `isheep gc` finds and deletes, on both stores, with a kill after any number of deletions."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isheep.contract.order import RunRef
from isheep.local.garbage import Garbage, delete_garbage
from isheep.local.lock import RunLock
from isheep.local.paths import LocalPaths
from isheep.local.stored_run import StoredRun
from isheep.store.artifacts import ArtifactStore
from isheep.store.documents import RunDocuments
from isheep.store.garbage import stored_stages
from isheep.store.interface import ObjectInfo, ObjectStore, StoreCorruptError

from .stored_garbage import (
    CLUSTER_UID,
    NOW,
    NS,
    SPEC,
    find_fixture,
    key,
    keys_in,
    letters,
    write_run,
    write_stage,
)

__all__ = ["find_fixture"]


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
