"""A node is lost while a Job runs on it: the next attempt starts on another node."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from isheep.kube.job_building.avoided_nodes import without_nodes

from ..builders import condition
from ..fake_cluster import JOBS, PODS, RUNS, FakeCluster, run_scenario
from ..scenarios import check_final_state, run_until_respond
from ..virtual_time import now

NODE = "gpu-7"


def time_text() -> str:
    return now().strftime("%Y-%m-%dT%H:%M:%SZ")


def pod_of(cluster: FakeCluster, job: str) -> tuple[str, dict[str, Any]]:
    """Return the path and the document of a Job's pod."""
    path = f"{PODS}/{cluster.job(job)['metadata']['name']}-0"
    return path, cluster.server.objects[path]


def place(cluster: FakeCluster, job: str) -> None:
    """Make the pod of a Job run on the node."""
    cluster.run_pod(job)
    path, pod = pod_of(cluster, job)
    cluster.server.objects[path] = {**pod, "spec": {"nodeName": NODE}}


def lose_node(cluster: FakeCluster, job: str) -> None:
    """Mark the pod as not ready, as the node controller does if a node does not answer."""
    path, pod = pod_of(cluster, job)
    conditions = [
        condition("Ready", "False", lastTransitionTime=time_text()),
        condition("ContainersReady"),
    ]
    status = {**pod["status"], "conditions": conditions}
    cluster.server.objects[path] = {**pod, "status": status}
    cluster.server.change(job, status={"active": 1, "ready": 0})


def leave_unscheduled(cluster: FakeCluster, job: str) -> None:
    """Create the pod of a Job, for which no node is left."""
    cluster.run_pod(job, ready=0)
    path, pod = pod_of(cluster, job)
    message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    unscheduled = condition("PodScheduled", "False", reason="Unschedulable", message=message)
    cluster.server.objects[path] = {
        **pod,
        "status": {"phase": "Pending", "conditions": [unscheduled]},
    }


def delete_pod(cluster: FakeCluster, job: str) -> None:
    """Delete the pod of a Job; without its kubelet, it stays."""
    path, pod = pod_of(cluster, job)
    metadata = {**pod["metadata"], "deletionTimestamp": time_text()}
    cluster.server.objects[path] = {**pod, "metadata": metadata}


async def passes(cluster: FakeCluster, minutes: int) -> None:
    for _ in range(2 * minutes):
        await asyncio.sleep(30)
        await cluster.operator.run_due_passes()


def is_deleting(cluster: FakeCluster, job: str) -> bool:
    return "deletionTimestamp" in cluster.job(job)["metadata"]


def affinity_of(cluster: FakeCluster, job: str) -> Any:
    return cluster.job(job)["spec"]["template"]["spec"].get("affinity")


async def lost_respond(cluster: FakeCluster) -> str:
    """Create a run, and lose the node of its respond; return the Job."""
    job = await run_until_respond(cluster)
    cluster.checks_created_jobs = False
    place(cluster, job)
    await passes(cluster, 1)
    lose_node(cluster, job)
    return job


def test_the_next_attempt_starts_on_another_node_while_the_lost_pod_stays() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await lost_respond(cluster)
        await passes(cluster, 2)
        assert cluster.ready_condition()[0] == "NodeLost"
        assert NODE in cluster.ready_condition()[1]
        assert cluster.jobs() == [job]
        await passes(cluster, 5)
        assert is_deleting(cluster, job)
        (other,) = [path for path in cluster.jobs() if path != job]
        assert cluster.order(other).steps == cluster.order(job).steps
        assert cluster.order(other).attempt == 2
        assert affinity_of(cluster, other) == without_nodes({}, [NODE])
        failure = cluster.status().last_failure
        assert failure is not None
        assert failure.reason == "Disrupted"
        assert NODE in failure.message
        # The Job of the lost node stays for as long as its pod.
        await passes(cluster, 10)
        assert sorted(cluster.jobs()) == sorted([job, other])
        (record,) = [r for r in cluster.status().stages if r.id.endswith("respond")]
        assert (record.attempts, record.failures) == (1, 0)
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_an_attempt_without_a_node_starts_again_when_a_lost_node_answers() -> None:
    """With one node only, the attempt that excludes it could wait for ever."""

    async def scenario(cluster: FakeCluster) -> None:
        job = await lost_respond(cluster)
        await passes(cluster, 7)
        (other,) = [path for path in cluster.jobs() if path != job]
        leave_unscheduled(cluster, other)
        await passes(cluster, 10)
        assert cluster.ready_condition()[0] == "Unschedulable"
        assert sorted(cluster.jobs()) == sorted([job, other])
        steps = cluster.order(job).steps
        # The node answers again, so its pod and the Job disappear.
        cluster.server.objects.pop(pod_of(cluster, job)[0])
        cluster.server.remove(job)
        await passes(cluster, 1)
        assert is_deleting(cluster, other)
        cluster.server.objects.pop(pod_of(cluster, other)[0])
        cluster.server.remove(other)
        await passes(cluster, 2)
        (third,) = cluster.jobs()
        assert cluster.order(third).steps == steps
        assert affinity_of(cluster, third) is None
        (record,) = [r for r in cluster.status().stages if r.id.endswith("respond")]
        assert record.failures == 0
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_an_operator_that_starts_later_finds_out_that_a_deleted_job_is_lost() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await lost_respond(cluster)
        uid = cluster.job(job)["metadata"]["uid"]
        await cluster.server.delete(job, uid)
        delete_pod(cluster, job)
        cluster.start_operator("next")
        await passes(cluster, 1)
        assert cluster.ready_condition()[0] == "Stopping"
        await passes(cluster, 4)
        (other,) = [path for path in cluster.jobs() if path != job]
        assert cluster.order(other).attempt == 2
        assert affinity_of(cluster, other) == without_nodes({}, [NODE])
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_node_that_answers_again_in_time_loses_nothing() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await lost_respond(cluster)
        await passes(cluster, 3)
        place(cluster, job)
        await passes(cluster, 10)
        assert cluster.jobs() == [job]
        assert cluster.ready_condition()[0] == "Running"
        await cluster.run_to_end()

    check_final_state(run_scenario(scenario))


def test_a_job_on_another_node_is_not_restricted() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        assert job.startswith(JOBS)
        assert affinity_of(cluster, job) is None

    run_scenario(scenario)


@pytest.mark.parametrize("restarted", [False, True])
def test_the_lost_job_of_a_deleted_run_keeps_no_other_run_from_its_stage(restarted: bool) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await lost_respond(cluster)
        cluster.create_run("two")
        await cluster.operator.run_due_passes()
        (prepare,) = [path for path in cluster.jobs() if path != job]
        cluster.complete(prepare)
        await cluster.operator.run_due_passes()
        cluster.server.remove(prepare)
        assert cluster.ready_condition("two")[0] == "WaitingForPeer"
        await cluster.server.delete(job, cluster.job(job)["metadata"]["uid"])
        delete_pod(cluster, job)
        cluster.server.remove(f"{RUNS}/run")
        if restarted:
            cluster.start_operator("next")
        await passes(cluster, 1)
        assert cluster.jobs() == [job]
        assert cluster.ready_condition("two")[0] == "WaitingForPeer"
        await passes(cluster, 5)
        (other,) = [path for path in cluster.jobs() if path != job]
        assert cluster.order(other).run.name == "two"
        assert cluster.order(other).steps == cluster.order(job).steps
        await cluster.run_to_end("two")

    run_scenario(scenario)
