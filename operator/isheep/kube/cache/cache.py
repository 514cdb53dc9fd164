"""The cache of the cluster: runs and Jobs by UID.

Three sources fill the cache: watch events, the answers to our own writes (so a pass never acts on
a state that it has just changed), and a LIST of everything every few minutes. The newer resource
version counts, so the order of arrival does not matter. The LIST also removes the objects that it
does not return: if a watch was lost for longer than the API server keeps its history, no event
reports the deletions of that time.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Generic, TypeVar

from isheep.kube.cache.records import JobRecord, RunRecord

KEPT_LISTS = 4
"""For how many LISTs a deletion is kept: an answer that is older may arrive after the next one."""
RecordT = TypeVar("RecordT", bound=RunRecord | JobRecord)


def _is_same_content(known: RunRecord | JobRecord | None, record: RunRecord | JobRecord) -> bool:
    """Return whether a newer record has the same fields; then no pass is needed."""
    return known is not None and replace(known, resource_version=record.resource_version) == record


class RecordStore(Generic[RecordT]):
    """The records of one kind."""

    def __init__(self) -> None:
        self._records: dict[str, RecordT] = {}
        # For each deleted object, the version up to which events about it are outdated.
        self._gone: dict[str, float] = {}
        # For each listed namespace, the versions of its last LISTs; None is all namespaces.
        self._listed: dict[str | None, tuple[int, ...]] = {}

    def get(self, uid: str) -> RecordT | None:
        """Return the record with a UID, or None."""
        return self._records.get(uid)

    def __iter__(self) -> Iterator[RecordT]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def put(self, record: RecordT, *, present: bool = False) -> bool:
        """Add a record; return whether it is newer than the known one.

        `present` is True if the object was read just now, so an earlier deletion does not matter.
        """
        known = self._records.get(record.uid)
        if not present and record.resource_version <= self._gone.get(record.uid, -1):
            return False
        if known is not None and known.resource_version >= record.resource_version:
            return False
        self._records[record.uid] = record
        self._gone.pop(record.uid, None)
        return True

    def update(self, record: RecordT) -> bool:
        """Add a record from a watch; return whether its run needs a pass."""
        known = self.get(record.uid)
        return self.put(record) and not _is_same_content(known, record)

    def drop(self, uid: str, version: float = math.inf) -> RecordT | None:
        """Remove an object that was deleted at a version; an older answer cannot add it again."""
        self._gone[uid] = version
        return self._records.pop(uid, None)

    def replace(
        self,
        listed: Collection[RecordT],
        version: int,
        namespace: str | None = None,
        unread: Collection[str] = (),
    ) -> list[RecordT]:
        """Add a LIST of a namespace at a resource version; return the records that need a pass.

        These are the records with changed fields, and the removed ones. The objects with the UIDs
        `unread` exist and cannot be read, so the records that are known of them stay. A LIST that
        ends after a newer one says nothing new.
        """
        earlier = self._listed.get(namespace, ())
        if earlier and version < earlier[-1]:
            # The first LIST after a restore of the API server's data is older, too.
            # The next one counts.
            del self._listed[namespace]
            return []
        present = {record.uid for record in listed}
        for uid in present:
            # The LIST is newer than the deletion, so the object exists again. This happens to a
            # Job that lost our label and got it again.
            if self._gone.get(uid, math.inf) < version:
                del self._gone[uid]
        changed = [record for record in listed if self.update(record)]
        for record in self._within(namespace):
            # A record that is newer than the LIST was created after it.
            exists = record.uid in present or record.uid in unread
            if not exists and record.resource_version <= version:
                changed.append(record)
                self.drop(record.uid, version)
        # Every request ends before some more LISTs, so older deletions need not be kept.
        last = min((versions[0] for versions in self._listed.values()), default=0)
        kept = ((uid, gone) for uid, gone in self._gone.items() if gone >= last)
        self._gone = {uid: version if gone == math.inf else gone for uid, gone in kept}
        self._listed[namespace] = (*earlier, version)[-KEPT_LISTS:]
        return changed

    def forget(self, namespace: str | None) -> list[RecordT]:
        """Remove the records of a namespace that cannot be listed, and return them.

        A later LIST or event may add them again, because nothing is known about a deletion.
        """
        self._listed.pop(namespace, None)
        return [self._records.pop(record.uid) for record in self._within(namespace)]

    def _within(self, namespace: str | None) -> list[RecordT]:
        return [r for r in self._records.values() if namespace in (None, r.namespace)]


class Cache:
    """Runs and Jobs."""

    def __init__(self) -> None:
        self.runs: RecordStore[RunRecord] = RecordStore()
        self.jobs: RecordStore[JobRecord] = RecordStore()
        self._jobs_of: dict[str, set[str]] = {}
        self._lost: dict[str, dict[str, JobRecord]] = {}

    def put_job(self, job: JobRecord, *, present: bool = False) -> bool:
        """Add a Job; return whether it is newer than the known one (see `RecordStore.put`)."""
        newer = self.jobs.put(job, present=present)
        if newer:
            self._jobs_of.setdefault(job.run_uid, set()).add(job.uid)
        return newer

    def update_job(self, job: JobRecord) -> bool:
        """Add a Job from a watch; return whether its run needs a pass (`RecordStore.update`)."""
        known = self.jobs.get(job.uid)
        return self.put_job(job) and not _is_same_content(known, job)

    def jobs_of(self, run_uid: str) -> list[JobRecord]:
        """Return the Jobs of a run, oldest first."""
        uids = self._jobs_of.get(run_uid)
        if not uids:
            return []
        jobs = (self.jobs.get(uid) for uid in uids)
        found = [job for job in jobs if job is not None and job.run_uid == run_uid]
        if len(found) < len(uids):
            self._jobs_of[run_uid] = {job.uid for job in found}
        if not found:
            self._jobs_of.pop(run_uid, None)
        return sorted(found, key=lambda job: (job.created, job.name))

    def replace_jobs(
        self,
        listed: Collection[JobRecord],
        version: int,
        namespace: str | None = None,
        unread: Collection[str] = (),
    ) -> list[JobRecord]:
        """Add a LIST of Jobs; return the Jobs that changed or were removed."""
        changed = self.jobs.replace(listed, version, namespace, unread)
        for job in listed:
            self._jobs_of.setdefault(job.run_uid, set()).add(job.uid)
        for job in changed:
            if self.jobs.get(job.uid) is None:
                self._note_lost(job)
        return changed

    def lose_job(self, job: JobRecord) -> None:
        """Remove a Job that the watch reports as deleted."""
        known = self.jobs.drop(job.uid, job.resource_version)
        if known is not None and not job.deleting:
            self._note_lost(known)

    def lost_jobs(self, run_uid: str) -> list[JobRecord]:
        """Return the Jobs of a run that were removed and may still exist (`unseen_jobs`)."""
        return list(self._lost.get(run_uid, {}).values())

    def forget_lost(self, job: JobRecord) -> None:
        """Note that somebody has looked whether a lost Job still exists."""
        lost = self._lost.get(job.run_uid, {})
        lost.pop(job.uid, None)
        if not lost:
            self._lost.pop(job.run_uid, None)

    def _note_lost(self, job: JobRecord) -> None:
        # A watch and a LIST report a Job that has lost its label as they report a deleted one. A
        # Job whose deletion had begun is deleted now.
        if not job.deleting:
            self._lost.setdefault(job.run_uid, {})[job.uid] = job
