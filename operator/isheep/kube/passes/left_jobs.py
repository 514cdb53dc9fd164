"""The keys that the Jobs of a deleted run still work on. A pure function of their records.

Nothing inspects the pods of a run that is deleted, and its Jobs stay for as long as their pods. So
a Job whose pods must have ended, because its deletion began so long ago, counts as lost: the node
of a pod does not answer. Such a Job claims nothing, as the lost attempt of a run that exists, and
another run makes the stage.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from isheep.kube.cache.records import JobRecord
from isheep.kube.passes.attempts import is_over, lost_at


def keys_at_work(jobs: Collection[JobRecord], now: datetime) -> set[str]:
    """Return the keys that the Jobs work on."""
    working = [job for job in jobs if _works(job, now)]
    claims = {job.walk.claim for job in working if job.walk is not None}
    return claims | {step.key for job in working for step in job.steps}


def walk_on(jobs: Collection[JobRecord], now: datetime) -> bool:
    """Return whether a Job works that walks on to keys which its record does not have."""
    return any(job.walk is not None and _works(job, now) for job in jobs)


def next_lost_at(jobs: Collection[JobRecord], now: datetime) -> datetime | None:
    """Return when the next of the Jobs counts as lost, if it still exists then."""
    times = (lost_at(job) for job in jobs if _works(job, now))
    return min((time for time in times if time is not None), default=None)


def _works(job: JobRecord, now: datetime) -> bool:
    due = lost_at(job)
    return not is_over(job) and (due is None or now < due)
