"""Jobs of a run that only their pods show to an operator that has just started.

A Job whose labels somebody has removed is in no LIST. An operator that starts finds it by its name
only if the status names it, because it holds GPUs, or if the next attempt has the same name
(`unseen_jobs`). Otherwise the operator would start the next Job beside it. But nobody can change
the labels of its pods. So before the first Job that a process creates for a run, and again after it
took the Lease from another process, it lists the pods of the run once, and reads the Jobs that own
them. A run without any attempt needs no LIST: its first Job has the name of an earlier first Job.

A Job that has neither labels nor pods, because Kueue holds it, is not found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from isheep.kube.cache.cache import Cache
from isheep.kube.cache.records import RunRecord
from isheep.kube.client import Api, pods_path
from isheep.kube.names import RUN_UID_LABEL
from isheep.kube.passes.memory import Memory
from isheep.kube.passes.unseen_jobs import LOOK_SECONDS, UnseenJobs
from isheep.kube.queue import WorkQueue
from isheep.planner.types import Action, Start

MOST_JOBS = 16
"""How many Jobs are read at most. A run has two or three, and anybody may create pods."""


class ForgottenJobs:
    """Puts such Jobs into the cache."""

    def __init__(self, api: Api, cache: Cache, queue: WorkQueue, unseen: UnseenJobs) -> None:
        self._api = api
        self._cache = cache
        self._queue = queue
        self._unseen = unseen

    async def find(self, record: RunRecord, memory: Memory) -> bool:
        """Return whether the cache has a Job that it did not have before.

        Raises `ApiError` and `ApiUnreachableError`; then the next pass looks again.
        """
        owners: set[str] = set()
        labels = f"{RUN_UID_LABEL}={record.uid}"
        async for page in self._api.pages(pods_path(record.namespace), labels=labels):
            owners |= owners_of(page.items)
        memory.looked_epoch = memory.epoch
        known = {job.name for job in self._cache.jobs_of(record.uid)}
        found = False
        for name in sorted(owners - known)[:MOST_JOBS]:
            found |= await self._unseen.find(record, name) is not None
        if found:
            # No event reports the changes of the Job.
            self._queue.wake(record.uid, LOOK_SECONDS)
        return found


def is_due(record: RunRecord, actions: Iterable[Action], memory: Memory) -> bool:
    """Return whether to look for Jobs before these actions."""
    looked = memory.looked_epoch == memory.epoch
    return not looked and any(isinstance(a, Start) for a in actions) and _has_begun(record)


def owners_of(pods: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names of the Jobs that control these pods."""
    references = (ref for pod in pods for ref in pod["metadata"].get("ownerReferences") or ())
    return {str(r["name"]) for r in references if r.get("controller") and r.get("kind") == "Job"}


def _has_begun(record: RunRecord) -> bool:
    """Return whether the status of a run has an attempt."""
    stages = json.loads(record.status or b"{}").get("stages") or ()
    return any(stage.get("attempts") or stage.get("committed") for stage in stages)
