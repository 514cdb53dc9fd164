"""Jobs that other users created: neither hostile Jobs nor other namespaces affect a run."""

from __future__ import annotations

import json

import pytest

from isheep.kube.client import jobs_path

from ..builders import condition
from ..fake_cluster import JOBS, FakeCluster, run_scenario


@pytest.mark.parametrize(
    "steps",
    [
        "nonsense",
        '[{"id": "i1/respond"}]',
        '[{"id": "i1/respond", "key": []}]',
        "[" * 100_000,
    ],
    ids=["no JSON", "no key", "a list as key", "deeply nested"],
)
def test_a_hostile_job_does_not_stop_other_runs(steps: str) -> None:
    """Every user who may create Jobs in a namespace can set the operator's labels on them."""

    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run("theirs")
        cluster.checks_created_jobs = False
        labels = {
            "app.kubernetes.io/managed-by": "isheep-operator",
            "isheep.dev/run-uid": cluster.server.objects[path]["metadata"]["uid"],
        }
        metadata = {"name": "x", "namespace": "ns", "labels": labels}
        cluster.server.watchers.clear()
        hostile = {
            "kind": "Job",
            "metadata": {**metadata, "annotations": {"isheep.dev/steps": steps}},
        }
        cluster.server.put(JOBS, hostile)
        cluster.create_run("other")
        await restart_with_first_list(cluster)
        assert cluster.status("other").observed_generation == 1

    run_scenario(scenario)


async def restart_with_first_list(cluster: FakeCluster) -> None:
    """Start an operator that reads the existing objects with its first LIST."""
    cluster.server.watchers.append(cluster.operator.receive_event)
    cluster.start_operator()
    await cluster.operator.run_due_passes()


def test_jobs_of_other_namespaces_are_ignored() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        path = cluster.create_run()
        await cluster.operator.run_due_passes()
        job = json.loads(json.dumps(cluster.job(cluster.jobs()[0])))
        job["metadata"] = {
            "name": "x",
            "namespace": "elsewhere",
            "labels": {
                "isheep.dev/run-uid": cluster.server.objects[path]["metadata"]["uid"],
                "app.kubernetes.io/managed-by": "isheep-operator",
            },
            "annotations": job["metadata"]["annotations"],
        }
        job["status"] = {"conditions": [condition("Complete")]}
        cluster.checks_created_jobs = False
        cluster.server.put(jobs_path("elsewhere"), job)
        await cluster.operator.run_due_passes()
        assert not [p for _, p in cluster.server.requests if "elsewhere" in p]

    run_scenario(scenario)
