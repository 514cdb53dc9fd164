"""What `isheep gc --cluster` finds among the runs of clusters, on both stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from isheep.contract.order import RunRef
from isheep.local.cluster_runs import ClusterRuns, cluster_runs
from isheep.local.garbage import Garbage, delete_garbage
from isheep.store.documents import RunDocuments
from isheep.store.interface import ObjectStore

from .stored_garbage import (
    NS,
    find_fixture,
    key,
    keys_in,
    letters,
    write_stage,
)

__all__ = ["find_fixture"]


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


@pytest.mark.parametrize("phase", ["", "Running", "Succeeded"])
def test_a_run_that_is_created_during_the_deletion_keeps_what_it_may_use(
    phase: str, store: ObjectStore, find: Callable[..., Garbage]
) -> None:
    """Until its prepare has ended, it may use every stage; then its status names its stages."""
    write_uses(store, "here", "a")
    write_uses(store, "gone", "bc")
    found = find(on_cluster=on_cluster(here="Succeeded"))
    seconds = iter((0.0, 6.0))
    lists = iter((on_cluster(here="Succeeded"), on_cluster(here="Succeeded", new=phase)))

    def listed() -> ClusterRuns:
        runs = next(lists)()
        uses = frozenset({key("c")} if phase and "uid-new" in runs.names else set())
        return replace(runs, keys=runs.keys | uses)

    deleted = [stage.key for stage in delete_garbage(store, found, listed, lambda: next(seconds))]
    assert deleted == [key("b")]
    kept = {name.split("/")[2] for name in keys_in(store) if name.startswith(f"{NS}/stages/")}
    assert kept == {key("a"), key("c")}
