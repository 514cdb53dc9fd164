"""The cache against a model: whatever arrives in whatever order, it believes what is true."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from isheep.kube.cache import Cache, RecordStore
from isheep.kube.records import JobRecord

from .builders import a_job, a_run

NAMES = ("a", "b")
RUNS = ("run-1", "run-2")


def job(uid: str, version: int, run: str = "run-1") -> JobRecord:
    return replace(a_job(uid=uid, name=f"job-{uid}"), resource_version=version, run_uid=run)


def _says_the_same(before: JobRecord | None, after: JobRecord | None) -> bool:
    if before is None or after is None:
        return before is after
    return replace(before, resource_version=0) == replace(after, resource_version=0)


class Cluster(RuleBasedStateMachine):
    """Jobs come, change and go; their news is delivered late, twice, out of order, or never.

    A model of what the cache may believe: of each object the newest version that it was
    told, unless it was told the end of it, by an event or by a LIST's silence.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache()
        self.version = 0
        self.living: dict[str, JobRecord] = {}
        self.said: list[JobRecord] = []
        self.ended: list[JobRecord] = []
        self.known: dict[str, JobRecord] = {}
        self.over: set[str] = set()
        self.lists: list[tuple[list[JobRecord], int]] = []
        self.made = 0

    # What happens in the cluster.

    @rule(name=st.sampled_from(NAMES), run=st.sampled_from(RUNS))
    def create(self, name: str, run: str) -> None:
        if name in self.living:
            return
        self.made += 1
        self.version += 1
        self.living[name] = job(f"{name}-{self.made}", self.version, run)
        self.said.append(self.living[name])

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.living)))
        self.version += 1
        self.living[name] = replace(self.living[name], resource_version=self.version)
        self.said.append(self.living[name])

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.living)))
        self.version += 1
        gone = self.living.pop(name)
        self.ended.append(replace(gone, resource_version=self.version))

    @rule()
    def list(self) -> None:
        self.lists.append((list(self.living.values()), self.version))

    # What the operator hears of it.

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def hear(self, data: st.DataObject) -> None:
        """By an event, or by the answer to a write of our own."""
        record = data.draw(st.sampled_from(self.said))
        news = self.cache.put_job(record)
        assert news == self._learn(record)

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def hear_of_an_end(self, data: st.DataObject) -> None:
        record = data.draw(st.sampled_from(self.ended))
        self.cache.jobs.drop(record.uid, record.resource_version)
        self.known.pop(record.uid, None)
        self.over.add(record.uid)

    @precondition(lambda self: self.lists)
    @rule()
    def receive_the_list(self) -> None:
        """Of LISTs each is over before the next one begins."""
        listed, version = self.lists[-1]
        self.lists.clear()
        before = dict(self.known)
        for record in listed:
            self._learn(record)
        there = {record.uid for record in listed}
        for uid, record in list(self.known.items()):
            if uid not in there and record.resource_version <= version:
                del self.known[uid]
        changed = self.cache.replace_jobs(listed, version)
        # Nothing that happened before the LIST is told after it.
        self.said = [r for r in self.said if r.resource_version > version]
        self.ended = [r for r in self.ended if r.resource_version > version]
        assert {r.uid for r in changed} == {
            uid
            for uid in before.keys() | self.known
            if not _says_the_same(before.get(uid), self.known.get(uid))
        }

    def _learn(self, record: JobRecord) -> bool:
        old = self.known.get(record.uid)
        if record.uid in self.over or (old and old.resource_version >= record.resource_version):
            return False
        self.known[record.uid] = record
        return True

    # What has to be so.

    @invariant()
    def it_believes_what_it_was_told_last(self) -> None:
        assert {r.uid: r for r in self.cache.jobs} == self.known
        assert len(self.cache.jobs) == len(self.known)
        for uid, record in self.known.items():
            assert self.cache.jobs.get(uid) == record

    @invariant()
    def each_run_has_its_jobs(self) -> None:
        for run in (*RUNS, "run-3"):
            of_run = [r for r in self.known.values() if r.run_uid == run]
            assert self.cache.jobs_of(run) == sorted(of_run, key=lambda r: (r.created, r.name))

    @precondition(lambda self: not self.lists)
    @rule()
    def after_a_list_it_is_in_line(self) -> None:
        self.list()
        self.receive_the_list()
        assert {r.uid: r for r in self.cache.jobs} == {r.uid: r for r in self.living.values()}


Cluster.TestCase.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
TestCluster = Cluster.TestCase


@pytest.mark.parametrize(
    ("known", "heard", "news"),
    [(None, 5, True), (4, 5, True), (5, 5, False), (6, 5, False), (9, 10, True)],
    ids=["new", "newer", "again", "older", "as numbers"],
)
def test_the_newer_version_wins(known: int | None, heard: int, news: bool) -> None:
    records: RecordStore[JobRecord] = RecordStore()
    if known is not None:
        records.put(job("u", known))
    assert records.put(job("u", heard)) == news
    assert records.get("u") == job("u", max(heard, known or 0))


def test_a_late_answer_brings_nothing_back() -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    assert records.drop("u") == job("u", 5)
    assert records.drop("u") is None
    assert not records.put(job("u", 6))
    assert records.get("u") is None


@pytest.mark.parametrize("told", [True, False], ids=["the end was told", "the end was not told"])
def test_a_late_answer_brings_nothing_back_after_a_list_either(told: bool) -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    if told:
        records.drop("u", 7)
    records.replace([], 10)
    assert not records.put(job("u", 6))


def test_a_list_from_before_the_end_does_not_bring_it_back() -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    # The LIST is of version 5, and arrives after the end of version 8 was told.
    records.drop("u", 8)
    records.replace([job("u", 5)], 5)
    assert not records.put(job("u", 7))


def test_what_a_later_list_returns_is_there() -> None:
    """A watch with a selector says DELETED of a Job that somebody took the label from."""
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    records.drop("u", 6)
    # It lost the label with version 6 and got it back with version 7; the LISTs are of 8 and 9.
    records.replace([job("u", 7)], 8)
    records.replace([job("u", 7)], 9)
    assert records.get("u") == job("u", 7)


@pytest.mark.parametrize(
    ("version", "left"), [(4, True), (5, False), (6, False)], ids=["older", "same", "newer"]
)
def test_a_list_removes_what_it_could_have_seen(version: int, left: bool) -> None:
    records: RecordStore[JobRecord] = RecordStore()
    records.put(job("u", 5))
    changed = records.replace([], version)
    assert ([r.uid for r in changed], records.get("u") is not None) == ([] if left else ["u"], left)


def test_a_job_is_its_labels_runs() -> None:
    cache = Cache()
    cache.put_job(job("u", 5, "run-1"))
    cache.put_job(job("u", 6, "run-2"))
    assert [j.uid for j in cache.jobs_of("run-2")] == ["u"]
    assert cache.jobs_of("run-1") == []


def test_runs_are_kept_beside_jobs() -> None:
    cache = Cache()
    assert cache.runs.put(a_run())
    cache.put_job(a_job())
    assert [r.name for r in cache.runs] == ["run"]
    cache.replace_jobs([], 100)
    assert (len(cache.runs), len(cache.jobs)) == (1, 0)
