"""The cache, compared with a model: correct for each order of events, responses and LISTs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from isheep.kube.cache.cache import KEPT_LISTS, Cache, RecordStore
from isheep.kube.cache.records import JobRecord, RunRecord

from ..builders import a_job, a_run

NAMES = ("a", "b")
RUNS = ("run-1", "run-2")


def job(uid: str, version: int, run: str = "run-1") -> JobRecord:
    return replace(a_job(uid=uid, name=f"job-{uid}"), resource_version=version, run_uid=run)


def _are_equal_without_version(before: JobRecord | None, after: JobRecord | None) -> bool:
    if before is None or after is None:
        return before is after
    return replace(before, resource_version=0) == replace(after, resource_version=0)


class Cluster(RuleBasedStateMachine):
    """Jobs are created, changed and deleted; events arrive late, twice, out of order or never.

    The model of the cache contains the newest version of each object that an event, a response or
    a LIST delivered, without the objects that an event or a LIST reported as deleted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache()
        self.version = 0
        self.existing: dict[str, JobRecord] = {}
        self.changes: list[JobRecord] = []
        self.deletions: list[JobRecord] = []
        self.known: dict[str, JobRecord] = {}
        self.deleted: set[str] = set()
        self.lost: dict[str, JobRecord] = {}
        self.lists: list[tuple[list[JobRecord], int]] = []
        self.created = 0

    # Changes in the cluster.

    @rule(name=st.sampled_from(NAMES), run=st.sampled_from(RUNS))
    def create(self, name: str, run: str) -> None:
        if name in self.existing:
            return
        self.created += 1
        self.version += 1
        self.existing[name] = job(f"{name}-{self.created}", self.version, run)
        self.changes.append(self.existing[name])

    @precondition(lambda self: self.existing)
    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.existing)))
        self.version += 1
        self.existing[name] = replace(self.existing[name], resource_version=self.version)
        self.changes.append(self.existing[name])

    @precondition(lambda self: self.existing)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.existing)))
        self.version += 1
        record = self.existing.pop(name)
        self.deletions.append(replace(record, resource_version=self.version))

    @rule()
    def list(self) -> None:
        self.lists.append((list(self.existing.values()), self.version))

    # Deliveries to the operator.

    @precondition(lambda self: self.changes)
    @rule(data=st.data())
    def deliver_a_change(self, data: st.DataObject) -> None:
        """Deliver a change by an event or by the response to a write of the operator."""
        record = data.draw(st.sampled_from(self.changes))
        assert self.cache.put_job(record) == self._expect(record)

    @precondition(lambda self: self.deletions)
    @rule(data=st.data())
    def deliver_a_deletion(self, data: st.DataObject) -> None:
        record = data.draw(st.sampled_from(self.deletions))
        if data.draw(st.booleans()):
            self.cache.jobs.drop(record.uid, record.resource_version)
            self.known.pop(record.uid, None)
        else:
            self.cache.lose_job(record)
            self._lose(record.uid)
        self.deleted.add(record.uid)

    @precondition(lambda self: self.lists)
    @rule()
    def deliver_a_list(self) -> None:
        """Deliver the newest LIST; each LIST ends before the next one begins."""
        listed, version = self.lists[-1]
        self.lists.clear()
        before = dict(self.known)
        for record in listed:
            self._expect(record)
        uids = {record.uid for record in listed}
        for uid, record in list(self.known.items()):
            if uid not in uids and record.resource_version <= version:
                self._lose(uid)
        changed = self.cache.replace_jobs(listed, version)
        # No change from before the LIST is delivered after it.
        self.changes = [r for r in self.changes if r.resource_version > version]
        self.deletions = [r for r in self.deletions if r.resource_version > version]
        assert {r.uid for r in changed} == {
            uid
            for uid in before.keys() | self.known
            if not _are_equal_without_version(before.get(uid), self.known.get(uid))
        }

    def _lose(self, uid: str) -> None:
        """Remove a record from the model that an event or a LIST reported as deleted."""
        if (record := self.known.pop(uid, None)) is not None:
            self.lost[uid] = record

    def _expect(self, record: JobRecord) -> bool:
        """Put a record into the model; return whether it is new to the model."""
        old = self.known.get(record.uid)
        if record.uid in self.deleted or (old and old.resource_version >= record.resource_version):
            return False
        self.known[record.uid] = record
        return True

    # Invariants.

    @invariant()
    def the_cache_contains_the_records_of_the_model(self) -> None:
        assert {r.uid: r for r in self.cache.jobs} == self.known
        assert len(self.cache.jobs) == len(self.known)
        for uid, record in self.known.items():
            assert self.cache.jobs.get(uid) == record

    @invariant()
    def each_run_has_its_jobs(self) -> None:
        for run in (*RUNS, "run-3"):
            of_run = [r for r in self.known.values() if r.run_uid == run]
            assert self.cache.jobs_of(run) == sorted(of_run, key=lambda r: (r.created, r.name))

    @invariant()
    def each_job_that_was_reported_as_deleted_is_lost(self) -> None:
        found = {job.uid: job for run in RUNS for job in self.cache.lost_jobs(run)}
        assert found == self.lost

    @precondition(lambda self: self.lost)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.lost)))
        self.cache.forget_lost(self.lost.pop(uid))

    @precondition(lambda self: not self.lists)
    @rule()
    def the_cache_equals_the_cluster_after_a_list(self) -> None:
        self.list()
        self.deliver_a_list()
        assert {r.uid: r for r in self.cache.jobs} == {r.uid: r for r in self.existing.values()}


Cluster.TestCase.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
TestCluster = Cluster.TestCase


@pytest.mark.parametrize(
    ("known", "received", "changed"),
    [(None, 5, True), (4, 5, True), (5, 5, False), (6, 5, False), (9, 10, True)],
    ids=["new", "newer", "equal", "older", "compared as numbers"],
)
def test_a_record_replaces_only_older_versions(
    known: int | None, received: int, changed: bool
) -> None:
    records: RecordStore[JobRecord] = RecordStore()
    if known is not None:
        records.put(job("u", known))
    assert records.put(job("u", received)) == changed
    assert records.get("u") == job("u", max(received, known or 0))


def test_a_late_response_does_not_restore_a_deleted_record() -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    assert records.drop("u") == job("u", 5)
    assert records.drop("u") is None
    assert not records.put(job("u", 6))
    assert records.get("u") is None


@pytest.mark.parametrize("event", [True, False], ids=["with an event", "without an event"])
def test_a_late_response_does_not_restore_a_record_that_a_list_removed(event: bool) -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    if event:
        records.drop("u", 7)
    records.replace([], 10)
    assert not records.put(job("u", 6))


def test_a_list_from_before_the_deletion_does_not_restore_the_record() -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    # The LIST has version 5 and arrives after the event about the deletion, which has version 8.
    records.drop("u", 8)
    records.replace([job("u", 5)], 5)
    assert not records.put(job("u", 7))


def test_a_list_from_after_the_deletion_restores_the_record() -> None:
    """A watch with a selector sends DELETED for a Job that no longer has the label."""
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    records.drop("u", 6)
    # The Job lost the label in version 6 and got it back in version 7; the LISTs have 8 and 9.
    records.replace([job("u", 7)], 8)
    records.replace([job("u", 7)], 9)
    assert records.get("u") == job("u", 7)


@pytest.mark.parametrize(
    ("version", "kept"),
    [(4, True), (5, False), (6, False)],
    ids=["older LIST", "equal version", "newer LIST"],
)
def test_a_list_removes_absent_records_that_are_not_newer(version: int, kept: bool) -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    changed = records.replace([], version)
    assert ([r.uid for r in changed], records.get("u") is not None) == ([] if kept else ["u"], kept)


def test_a_list_that_ends_after_a_newer_one_adds_and_removes_nothing() -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.replace([job("new", 12)], 20)
    assert records.replace([job("gone", 5)], 10) == []
    assert [record.uid for record in records] == ["new"]
    # After a restore of the API server's data, all versions are older.
    assert records.replace([job("restored", 6)], 10) == [job("restored", 6)]


def test_an_answer_that_is_older_than_some_lists_adds_no_deleted_object() -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    records.replace([job("u", 5)], 10)
    records.drop("u", 12)
    for version in range(13, 12 + KEPT_LISTS):
        records.replace([], version)
        assert not records.put(job("u", 11))


def test_a_job_belongs_to_the_run_of_its_label() -> None:
    cache = Cache()
    cache.put_job(job("u", 5, "run-1"))
    cache.put_job(job("u", 6, "run-2"))
    assert [j.uid for j in cache.jobs_of("run-2")] == ["u"]
    assert cache.jobs_of("run-1") == []


def test_a_job_whose_deletion_had_begun_is_not_lost() -> None:
    cache = Cache()
    cache.put_job(job("u", 5))
    cache.put_job(job("v", 6))
    cache.lose_job(replace(job("u", 7), deleting=True))
    cache.put_job(replace(job("v", 8), deleting=True))
    cache.replace_jobs([], 9)
    assert (len(cache.jobs), cache.lost_jobs("run-1")) == (0, [])


def test_runs_and_jobs_have_separate_stores() -> None:
    cache = Cache()
    assert cache.runs.put(a_run())
    cache.put_job(a_job())
    assert [r.name for r in cache.runs] == ["run"]
    cache.replace_jobs([], 100)
    assert (len(cache.runs), len(cache.jobs)) == (1, 0)


def test_a_list_of_a_namespace_changes_only_the_records_of_the_namespace() -> None:
    runs: RecordStore[RunRecord] = RecordStore()
    mine, other = a_run(uid="mine", namespace="team"), a_run(uid="other", namespace="ns")
    assert runs.replace([mine], 20, "team") == [mine]
    assert runs.replace([other], 21, "ns") == [other]
    assert runs.replace([], 22, "team") == [mine]
    assert list(runs) == [other]


def test_a_namespace_that_cannot_be_listed_is_forgotten_until_it_can_be_listed() -> None:
    runs: RecordStore[RunRecord] = RecordStore()
    mine, other = a_run(uid="mine", namespace="team"), a_run(uid="other", namespace="ns")
    runs.replace([mine], 20, "team")
    runs.replace([other], 20, "ns")
    assert runs.forget("team") == [mine]
    assert list(runs) == [other]
    # Nothing is known about a deletion, so even the same version is new.
    assert runs.replace([mine], 20, "team") == [mine]
    assert runs.forget(None) == [other, mine]
