"""What other people write into runs and Jobs takes little memory, and disturbs nobody else."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest

from isheep.api.run import RETRY_ANNOTATION
from isheep.kube.cache.bounds import MOST_KUEUE_LABELS
from isheep.kube.cache.records import job_record
from isheep.kube.names import KUEUE_QUEUE_LABEL
from isheep.kube.passes.left_jobs import keys_at_work, next_lost_at
from isheep.planner.restart import RETRY_CHARACTERS

from ..builders import a_job, a_run, at, job_json
from ..fake_cluster import JOBS, FakeCluster, run_scenario
from ..virtual_time import START

QUARTER_MIB = 256 * 1024
LARGEST_INT64 = 2**63 - 1
MOST_BYTES = 20_000
"""Far more than the record of a usual run or Job."""
QUEUES = {f"kueue.x-k8s.io/{number:05}": "q" * 63 for number in range(2000)}
STEPS = json.dumps([{"id": str(number), "key": ""} for number in range(8000)])


def bytes_of(made: Any) -> int:
    """Return the memory that the result of a function takes."""
    made()  # fills caches
    tracemalloc.start()
    kept = made()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept is not None
    return size


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("isheep.dev/steps", STEPS),
        ("isheep.dev/kueue-labels", json.dumps(QUEUES)),
        ("isheep.dev/avoided-nodes", "," * 1000 + "a,b" * 60_000),
        ("isheep.dev/walk", json.dumps({"claim": "c" * 200_000})),
    ],
)
def test_an_annotation_of_a_foreign_job_takes_little_memory(name: str, text: str) -> None:
    document = job_json(annotations={name: text})
    assert bytes_of(lambda: job_record(document)) < MOST_BYTES


def test_many_short_steps_take_little_memory() -> None:
    text = json.dumps([{"id": "", "key": ""}] * 800)
    assert a_job(annotations={"isheep.dev/steps": text}).steps == ()


def test_labels_for_kueue_take_little_memory() -> None:
    documents = (job_json(labels=QUEUES),)
    assert bytes_of(lambda: job_record(documents[0])) < MOST_BYTES
    found = a_run(labels={**QUEUES, KUEUE_QUEUE_LABEL: "team"}).kueue_labels
    assert len(found) == MOST_KUEUE_LABELS
    # No number of other labels takes a run out of its queue.
    assert found[KUEUE_QUEUE_LABEL] == "team"


def test_the_retry_annotation_of_a_run_takes_little_memory() -> None:
    """Many such runs, which are suspended, would use up the memory of the operator."""
    record = a_run(annotations={RETRY_ANNOTATION: "a" * QUARTER_MIB})
    assert record.retry == "a" * RETRY_CHARACTERS


def test_a_foreign_job_with_an_endless_grace_period_prevents_no_start() -> None:
    pod = {"terminationGracePeriodSeconds": LARGEST_INT64, "containers": []}
    document = job_json(spec={"template": {"spec": pod}})
    document["metadata"]["deletionTimestamp"] = at(0)
    jobs = [job_record(document)]
    assert keys_at_work(jobs, START) == {"k" * 64}
    due = next_lost_at(jobs, START)
    assert due is not None
    assert keys_at_work(jobs, due + timedelta(seconds=1)) == set()


@pytest.mark.parametrize("label", ["9" * 10, "9" * 63])
def test_a_number_that_no_attempt_has_is_no_number(label: str) -> None:
    assert a_job(labels={"isheep.dev/attempt": label}).number == 0


def test_an_operator_starts_beside_such_a_job_and_serves_all_runs() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        pod = {"terminationGracePeriodSeconds": LARGEST_INT64, "containers": []}
        document = job_json(spec={"template": {"spec": pod}})
        document["metadata"]["labels"]["isheep.dev/run-uid"] = "of-nobody"
        document["metadata"]["deletionTimestamp"] = at(0)
        cluster.checks_created_jobs = False
        cluster.server.put(JOBS, document)
        cluster.create_run()
        cluster.start_operator("next")
        await cluster.operator.run_due_passes()
        assert len(cluster.jobs()) == 2
        assert cluster.operator.failures == []

    run_scenario(scenario)
