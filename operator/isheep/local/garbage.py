"""What no run of a store refers to: what `isheep gc` deletes.

A run refers to a stage by a reference, by its status, or by the keys of its newest report. A status
also has the keys of stages that are not committed, so an interrupted run keeps its work. A key that
a document of a run contains in any other place is kept, too; a base model can be the output of
another run.

The status of a run on a cluster is in the cluster. Its references keep its committed stages. But a
worker writes the reference after the commit, and goes on if the reference cannot be written. So the
store is refused unless the newest report of such a run has all stages that the run refers to. If
the store has such a run, or if a process on this machine executes a run, only stages that a deleted
run refers to are deleted. Every other stage can be the work of those runs.

With the runs of the cluster (`ClusterRuns`), their statuses are known, and so are the runs that
were deleted from this cluster. While a run of the cluster has not ended, only stages that a deleted
run refers to are deleted, and none while such a run looks for the stages that exist already.

A run of `isheep run` is deleted if its folder `runs/<name>` is. Its uid is computed from its name
and its store, so its references are known, and they keep nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from isheep.contract.order import RunRef
from isheep.local.cluster_runs import ClusterRuns
from isheep.local.lock import executing_process
from isheep.local.paths import run_uid
from isheep.local.stored_run import RUN_FILE, STATUS_FILE, StoredRun
from isheep.store.documents import (
    STAGES_FILE,
    Reference,
    RunDocuments,
    folder_of_runs,
    references,
)
from isheep.store.garbage import (
    KEY_IN_TEXT,
    StoredStage,
    delete_stage,
    stored_stage,
    stored_stages,
)
from isheep.store.interface import ObjectStore

LIST_SECONDS = 5.0
"""How long a list of the runs of a cluster counts during a deletion. A new run needs this time for
the start of its first pod alone."""
_NO_RUNS = ClusterRuns({}, frozenset(), (), ())


@dataclass(frozen=True, slots=True)
class Garbage:
    """What may be deleted in one namespace, and what was found about its runs.

    `before` is the limit of `find_garbage`. `references` are references of `deleted_runs`.
    `executed` has the processes of this machine that execute runs, by the runs' names. `elsewhere`
    are the runs whose status is not known. `uncovered` are those of them that can use stages that
    nothing known names. If there is one, nothing may be deleted. `at_work` and `unprepared` are
    those of `ClusterRuns`.
    """

    namespace: str
    before: float
    stages: tuple[StoredStage, ...]
    references: tuple[Reference, ...]
    deleted_runs: tuple[str, ...]
    executed: Mapping[str, int]
    elsewhere: tuple[RunRef, ...]
    uncovered: tuple[RunRef, ...]
    at_work: tuple[str, ...] = ()
    unprepared: tuple[str, ...] = ()


def find_garbage(
    store: ObjectStore,
    namespace: str,
    *,
    before: float,
    environment: Mapping[str, str],
    on_cluster: Callable[[], ClusterRuns] | None = None,
) -> Garbage:
    """Return what no run of the namespace refers to; changes nothing.

    Args:
        store: The store.
        namespace: The namespace. Other namespaces have stages of their own.
        before: A time in seconds since the epoch. A stage with a newer object is kept.
        environment: The variables that the location of the runs' locks depends on.
        on_cluster: Returns the runs that a cluster has in the namespace now, if they are to be
            read. It is called after the references are, so no run is newer than its answer.

    Raises:
        StoreCorruptError: A document or a reference of a run is damaged.
        StoreError: The store cannot be read.
    """
    # The stages are listed first. So what a run uses from now on is not listed, or is referred to.
    stages = stored_stages(store, namespace)
    runs = {name: _read(store, namespace, name) for name in _names(store, namespace)}
    living: dict[str, list[Reference]] = {}
    deleted: dict[str, list[Reference]] = {}
    found = list(references(store, namespace))
    cluster = _NO_RUNS if on_cluster is None else on_cluster()
    gone_there = cluster.deleted(found)
    for reference in found:
        run = reference.run
        here = run.uid == run_uid(store.uri, namespace, run.name)
        gone = here and run.name not in runs and executing_process(run.uid, environment) is None
        gone = gone or run.uid in gone_there
        (deleted if gone else living).setdefault(run.uid, []).append(reference)
    runs = _without_deleted(runs, deleted, living, cluster)
    elsewhere, uncovered = _elsewhere(namespace, runs, living, cluster)
    executed = {
        name: process
        for name, run in runs.items()
        for uid in run.uids
        if (process := executing_process(uid, environment)) is not None
    }
    kept = _referred_to(living).union(cluster.keys, *(run.keys for run in runs.values()))
    unused = [stage for stage in stages if stage.key not in kept]
    in_doubt = executed or elsewhere or cluster.at_work
    certain = _referred_to(deleted) if in_doubt else {stage.key for stage in unused}
    if cluster.unprepared:
        certain = set()
    chosen = tuple(one for one in unused if one.newest < before and one.key in certain)
    # A later collection needs the references to the stages that are left.
    left = {stage.key for stage in unused} - {stage.key for stage in chosen}
    return Garbage(
        namespace=namespace,
        before=before,
        stages=chosen,
        references=tuple(
            one
            for _, refers in sorted(deleted.items())
            for one in refers
            if one.key not in left and not cluster.unprepared
        ),
        deleted_runs=tuple(sorted(refers[0].run.name for refers in deleted.values())),
        executed=executed,
        elsewhere=elsewhere,
        uncovered=uncovered,
        at_work=cluster.at_work,
        unprepared=cluster.unprepared,
    )


def delete_garbage(
    store: ObjectStore,
    garbage: Garbage,
    on_cluster: Callable[[], ClusterRuns] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[StoredStage]:
    """Delete what was found, and yield each stage when it is deleted.

    A stage that is used since it was found is left out, with the references to it. The runs of
    `on_cluster` are read again every few seconds by `clock`, because a deletion takes minutes.
    """
    places = {reference.place for reference in garbage.references}
    chosen = {stage.key for stage in garbage.stages}
    newer = _NewerRuns(on_cluster, clock)
    for stage in garbage.stages:
        if not newer.may_use(stage.key) and _is_unused(store, garbage, stage, places):
            delete_stage(store, garbage.namespace, stage.key)
            _delete_references(store, garbage, {stage.key})
            yield stage
    if _are_deleted(store, garbage):
        _delete_references(store, garbage, {one.key for one in garbage.references} - chosen)


class _NewerRuns:
    """The runs that a cluster has during a deletion; some were created after its beginning."""

    def __init__(
        self, on_cluster: Callable[[], ClusterRuns] | None, clock: Callable[[], float]
    ) -> None:
        self._on_cluster = on_cluster
        self._clock = clock
        self._listed: float | None = None
        self._runs = _NO_RUNS

    def may_use(self, key: str) -> bool:
        """Return whether a run names a stage, or looks for the stages that exist."""
        now = self._clock()
        is_old = self._listed is None or now - self._listed >= LIST_SECONDS
        if self._on_cluster is not None and is_old:
            self._runs, self._listed = self._on_cluster(), now
        return key in self._runs.keys or bool(self._runs.unprepared)


def _delete_references(store: ObjectStore, garbage: Garbage, keys: Collection[str]) -> None:
    for reference in garbage.references:
        if reference.key in keys:
            store.delete(reference.place)


def _is_unused(store: ObjectStore, garbage: Garbage, stage: StoredStage, places: set[str]) -> bool:
    """Return whether a stage is as it was found, and no run refers to it now."""
    now = stored_stage(store, garbage.namespace, stage.key)
    return (
        now.committed == stage.committed
        and now.newest < garbage.before
        and all(r.place in places for r in references(store, garbage.namespace, stage.key))
        and _are_deleted(store, garbage)
    )


def _are_deleted(store: ObjectStore, garbage: Garbage) -> bool:
    """Return whether the deleted runs have not been started again."""
    folder = f"{garbage.namespace}/runs"
    return all(store.head(f"{folder}/{name}/{RUN_FILE}") is None for name in garbage.deleted_runs)


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that has documents in the store.

    `uids` has the uid of the run in the store as it is found now, and that in the store where the
    run was started. `stages` are the keys of the stages in its status and in its newest report, and
    `keys` are all keys in its documents. `local` is true if `isheep run` has
    started the run, `known` if its status is in the store as well, and `reported` if the keys of
    its newest report are.
    """

    uids: frozenset[str]
    stages: frozenset[str]
    keys: frozenset[str]
    known: bool
    local: bool
    reported: bool


def _names(store: ObjectStore, namespace: str) -> list[str]:
    """Return the names of the runs that have documents, of `isheep run` and of clusters."""
    prefix = folder_of_runs(namespace)
    found = (info.key.removeprefix(prefix).partition("/") for info in store.list(prefix))
    return sorted({name for name, separator, _ in found if separator})


def _read(store: ObjectStore, namespace: str, name: str) -> _Run:
    stored = StoredRun(store, namespace, name)
    view = stored.read()
    documents = RunDocuments(store, stored.ref)
    reported = documents.read_stages()
    stages = set() if reported is None else set(reported.values())
    texts = {file: documents.read(file) for file in (RUN_FILE, STATUS_FILE, STAGES_FILE)}
    keys = {key.decode() for text in texts.values() if text for key in KEY_IN_TEXT.findall(text)}
    uids = {stored.ref.uid}
    if view is not None:
        stages |= {record.key for record in view.status.stages}
        uids.add(str(json.loads(texts[RUN_FILE] or b"{}").get("uid")))
    return _Run(
        uids=frozenset(uids),
        stages=frozenset(stages),
        keys=frozenset(keys | stages),
        known=view is not None and texts[STATUS_FILE] is not None,
        local=view is not None,
        reported=reported is not None,
    )


def _without_deleted(
    runs: dict[str, _Run],
    deleted: Mapping[str, list[Reference]],
    living: Mapping[str, list[Reference]],
    cluster: ClusterRuns,
) -> dict[str, _Run]:
    """Return the runs without those whose documents are left of runs deleted from the cluster."""
    gone = {found[0].run.name for found in deleted.values()}
    named = {found[0].run.name for found in living.values()} | {*cluster.names.values()}
    return {n: run for n, run in runs.items() if run.local or n not in gone or n in named}


def _elsewhere(
    namespace: str,
    runs: Mapping[str, _Run],
    by_uid: Mapping[str, list[Reference]],
    cluster: ClusterRuns,
) -> tuple[tuple[RunRef, ...], tuple[RunRef, ...]]:
    """Return the runs whose status is not known, and those of them that are not covered.

    A run is covered if every stage that it refers to is one of its newest report, or one that a run
    with a status names.
    """
    known = [run for run in runs.values() if run.known]
    known_uids = frozenset(cluster.names).union(*(run.uids for run in known))
    named = cluster.keys.union(*(run.stages for run in known))
    elsewhere, uncovered = [], []
    for uid, found in sorted(by_uid.items()):
        if uid in known_uids:
            continue
        ref = found[0].run
        own = runs[ref.name].stages if ref.name in runs else frozenset()
        elsewhere.append(ref)
        if not {one.key for one in found} <= own | named:
            uncovered.append(ref)
    with_references = {ref.name for ref in elsewhere} | {*cluster.names.values()}
    for name, run in runs.items():
        if not run.local and name not in with_references:
            elsewhere.append(RunRef(namespace=namespace, name=name, uid=""))
            if not run.reported:
                uncovered.append(elsewhere[-1])
    return tuple(elsewhere), tuple(uncovered)


def _referred_to(by_uid: Mapping[str, Iterable[Reference]]) -> set[str]:
    return {reference.key for found in by_uid.values() for reference in found}
