"""Jobs without labels that an operator that has just started finds by their pods."""

from __future__ import annotations

from typing import Any

from isheep.kube.passes.forgotten_jobs import MOST_JOBS, owners_of
from isheep.kube.passes.unseen_jobs import LOOK_SECONDS

from ..fake_cluster import PODS, FakeCluster, run_scenario
from ..scenarios import check_final_state, run_until_respond

LEASE_SECONDS = 30


def owner(name: str, kind: str = "Job", *, controller: bool = True) -> dict[str, Any]:
    return {"kind": kind, "name": name, "controller": controller}


def test_the_owners_of_pods_are_the_jobs_that_control_them() -> None:
    pods = [
        {"metadata": {"ownerReferences": [owner("a"), owner("b", controller=False)]}},
        {"metadata": {"ownerReferences": [owner("a")]}},
        {"metadata": {"ownerReferences": [owner("c", "ReplicaSet")]}},
        {"metadata": {}},
    ]
    assert owners_of(pods) == {"a"}


def forget(cluster: FakeCluster, job: str) -> None:
    """Replace all labels of a Job, and rename it, as if it were of an earlier stage."""
    document = cluster.server.objects.pop(job)
    document["metadata"] = {**document["metadata"], "name": "renamed", "labels": {"team": "x"}}
    cluster.server.objects[f"{job.rpartition('/')[0]}/renamed"] = document


def test_an_operator_that_starts_finds_a_job_without_labels_by_its_pods() -> None:
    """The Job does not have the name of the next attempt, as if its walk had moved on."""

    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        forget(cluster, job)
        renamed = f"{job.rpartition('/')[0]}/renamed"
        cluster.run_pod(renamed)
        started = len(cluster.started)
        cluster.start_operator("next")
        await cluster.operator.run_due_passes(LEASE_SECONDS + 60)
        assert (cluster.jobs(), len(cluster.started)) == ([renamed], started)
        assert cluster.status().phase == "Running"
        cluster.complete(renamed)
        await cluster.operator.run_due_passes(LOOK_SECONDS + 1)
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def lists(cluster: FakeCluster) -> int:
    """Return how often pods were listed."""
    return cluster.server.count("GET", PODS)


def test_pods_are_listed_once_before_the_first_job_of_a_process() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        # One LIST for each Job that has ended, because a run that begins has no other Job.
        assert lists(cluster) == len(cluster.started) - 1
        cluster.complete(job)
        cluster.start_operator("operator")
        before = lists(cluster)
        await cluster.operator.run_due_passes()
        # The pods of the Job that has ended, and those of the run.
        assert (len(cluster.jobs()), lists(cluster)) == (1, before + 2)
        started = len(cluster.started)
        await cluster.run_to_end()
        # Each Job that ends later is inspected once, and no other LIST is for the run.
        assert lists(cluster) == before + 2 + len(cluster.started) - started + 1

    check_final_state(run_scenario(scenario))


def test_no_more_than_a_few_jobs_are_read_if_somebody_creates_many_pods() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        await run_until_respond(cluster)
        labels = {"isheep.dev/run-uid": cluster.uid(), "batch.kubernetes.io/controller-uid": "x"}
        for number in range(MOST_JOBS + 9):
            name = f"theirs-{number}"
            references = [owner(name)]
            metadata = {"name": name, "namespace": "ns", "labels": labels}
            pod = {"kind": "Pod", "metadata": {**metadata, "ownerReferences": references}}
            cluster.server.put(PODS, pod)
        (job,) = cluster.jobs()
        cluster.complete(job)
        cluster.start_operator("operator")
        await cluster.operator.run_due_passes()
        assert cluster.server.count("GET", "theirs-") == MOST_JOBS
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))
