"""What the operator believes of the cluster: runs and Jobs by UID.

Fed by watch events, by the answers to our own writes (so that a pass never acts on what
it has just changed itself) and by a LIST of everything now and then. The newer
resource version wins, so the order of arrival does not matter. The LIST removes what it
does not return: after a watch that was lost for longer than the API server remembers,
nobody ever reports the deletions in between.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Generic, TypeVar

from isheep.kube.records import JobRecord, RunRecord

RecordT = TypeVar("RecordT", bound=RunRecord | JobRecord)


def _says_the_same(known: RunRecord | JobRecord | None, record: RunRecord | JobRecord) -> bool:
    """Whether a newer record is worth no pass: a Job's status moves a lot that nobody asks for."""
    return known is not None and replace(known, resource_version=record.resource_version) == record


class RecordStore(Generic[RecordT]):
    """The records of one kind."""

    def __init__(self) -> None:
        self._records: dict[str, RecordT] = {}
        # Up to which version what is told of an object that is gone is old news.
        self._gone: dict[str, float] = {}
        self._listed = 0

    def get(self, uid: str) -> RecordT | None:
        """Return the record of a UID."""
        return self._records.get(uid)

    def __iter__(self) -> Iterator[RecordT]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: RecordT, *, present: bool = False) -> bool:
        """Take a record in; returns whether it is news.

        `present`: it was read just now, so that it was gone before is no longer true.
        """
        known = self._records.get(record.uid)
        if not present and record.resource_version <= self._gone.get(record.uid, -1):
            return False
        if known is not None and known.resource_version >= record.resource_version:
            return False
        self._records[record.uid] = record
        self._gone.pop(record.uid, None)
        return True

    def hear(self, record: RecordT) -> bool:
        """Take a record in; returns whether it is worth a pass."""
        known = self.get(record.uid)
        return self.put(record) and not _says_the_same(known, record)

    def drop(self, uid: str, version: float = math.inf) -> RecordT | None:
        """Remove what was gone at a version; an answer still under way does not bring it back."""
        self._gone[uid] = version
        return self._records.pop(uid, None)

    def replace(self, listed: Collection[RecordT], version: int) -> list[RecordT]:
        """Take in a LIST made at a resource version; returns what is worth a pass.

        That is what says something else than before, and what went.
        """
        there = {record.uid for record in listed}
        for uid in there:
            # Seen later than it was gone: it came back, as who lost our label and got it again.
            if self._gone.get(uid, math.inf) < version:
                del self._gone[uid]
        changed = [record for record in listed if self.hear(record)]
        for record in self:
            # What is newer than the LIST was made after it.
            if record.uid not in there and record.resource_version <= version:
                changed.append(record)
                self.drop(record.uid, version)
        # No answer is under way for longer than from one LIST to the next.
        kept = ((uid, gone) for uid, gone in self._gone.items() if gone >= self._listed)
        self._gone = {uid: version if gone == math.inf else gone for uid, gone in kept}
        self._listed = version
        return changed


class Cache:
    """Runs and Jobs."""

    def __init__(self) -> None:
        self.runs: RecordStore[RunRecord] = RecordStore()
        self.jobs: RecordStore[JobRecord] = RecordStore()
        self._jobs_of: dict[str, set[str]] = {}

    def put_job(self, job: JobRecord, *, present: bool = False) -> bool:
        """Take a Job in; returns whether it is news (see `RecordStore.put`)."""
        news = self.jobs.put(job, present=present)
        if news:
            self._jobs_of.setdefault(job.run_uid, set()).add(job.uid)
        return news

    def hear_job(self, job: JobRecord) -> bool:
        """Take a Job in; returns whether it is worth a pass (see `RecordStore.hear`)."""
        known = self.jobs.get(job.uid)
        return self.put_job(job) and not _says_the_same(known, job)

    def jobs_of(self, run_uid: str) -> list[JobRecord]:
        """Return the Jobs of a run, oldest first."""
        uids = self._jobs_of.get(run_uid, set())
        jobs = (self.jobs.get(uid) for uid in uids)
        found = [job for job in jobs if job is not None and job.run_uid == run_uid]
        if len(found) < len(uids):
            self._jobs_of[run_uid] = {job.uid for job in found}
        if not found:
            self._jobs_of.pop(run_uid, None)
        return sorted(found, key=lambda job: (job.created, job.name))

    def replace_jobs(self, listed: Collection[JobRecord], version: int) -> list[JobRecord]:
        """Take in a LIST of Jobs; returns those that changed or went."""
        changed = self.jobs.replace(listed, version)
        for job in listed:
            self._jobs_of.setdefault(job.run_uid, set()).add(job.uid)
        return changed
