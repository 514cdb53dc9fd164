"""The keys of Jobs that a deleted run leaves, until their nodes count as lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from isheep.kube.cache.records import JobRecord, job_record
from isheep.kube.passes.left_jobs import keys_at_work, next_lost_at
from isheep.kube.pods.lost_nodes import DELETION_GRACE

from ..builders import at, condition, job_json
from ..virtual_time import START

GRACE = 30
DELETED = timedelta(seconds=100)
LOST = START + DELETED + timedelta(seconds=GRACE) + DELETION_GRACE
SECOND = timedelta(seconds=1)
POD = {"template": {"spec": {"terminationGracePeriodSeconds": GRACE, "containers": []}}}


def job(key: str = "k", *, deleted: bool = True, **fields: Any) -> JobRecord:
    document = job_json(steps=(("i1/respond", key),), spec=POD, **fields)
    if deleted:
        document["metadata"]["deletionTimestamp"] = at(int(DELETED.total_seconds()))
    return job_record(document)


def test_a_deleted_job_works_until_its_pods_must_have_ended() -> None:
    jobs = [job()]
    assert next_lost_at(jobs, START) == LOST
    assert keys_at_work(jobs, LOST - SECOND) == {"k"}
    assert keys_at_work(jobs, LOST) == set()
    assert next_lost_at(jobs, LOST) is None


def test_a_job_that_nobody_has_deleted_works() -> None:
    jobs = [job(deleted=False)]
    assert keys_at_work(jobs, LOST) == {"k"}
    assert next_lost_at(jobs, LOST) is None


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_a_job_that_has_ended_works_on_nothing(kind: str) -> None:
    ended = job(deleted=False, status={"conditions": [condition(kind)]})
    assert keys_at_work([ended], START) == set()


def test_each_job_counts_as_lost_by_itself() -> None:
    jobs = [job("lost"), job("working", deleted=False)]
    assert keys_at_work(jobs, LOST) == {"working"}
