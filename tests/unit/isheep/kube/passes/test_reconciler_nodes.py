"""Training on several nodes: one headless Service for each run, created before the Job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from isheep.kube.client import services_path
from isheep.kube.names import service_name

from ...planner.simulation import spec_with
from ..fake_api_server import Fault, FaultFunction
from ..fake_cluster import JOBS, FakeCluster, run_scenario
from ..scenarios import at_request, reject_with

SERVICES = services_path("ns")
NODES = spec_with(iterations=1, training={"numNodes": 2})


def services(cluster: FakeCluster) -> list[str]:
    """Return the paths of the Services."""
    return [path for path, _ in cluster.server.collection(SERVICES)]


async def run_until_training(cluster: FakeCluster) -> None:
    """Complete Jobs until the Job of the training exists or its Service is rejected."""
    for _ in range(40):
        await cluster.operator.run_due_passes()
        cluster.collect_garbage()
        if any(cluster.order(job).steps[0].kind == "train" for job in cluster.jobs()):
            return
        if cluster.ready_condition()[0].startswith(("Service", "Quota")):
            return
        for job in cluster.jobs():
            cluster.complete(job)
        await asyncio.sleep(1)
    raise AssertionError(cluster.ready_condition())


def test_the_service_of_a_training_is_created_before_its_job() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run(spec=NODES)
        await cluster.run_to_end()
        (service,) = services(cluster)
        document = cluster.server.objects[service]
        assert [o["uid"] for o in document["metadata"]["ownerReferences"]] == [cluster.uid()]
        posts = [path for method, path in cluster.server.requests if method == "POST"]
        assert posts[posts.index(SERVICES) + 1] == JOBS
        assert cluster.operator.failures == []

    cluster = run_scenario(scenario)
    assert cluster.status().phase == "Succeeded"
    assert cluster.server.count("POST", "/services") == 1


def test_a_run_on_one_node_has_no_service() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.run_to_end()
        assert cluster.server.count("POST", "/services") == 0

    run_scenario(scenario)


@pytest.mark.parametrize("word", ["/services", "/jobs"])
@pytest.mark.parametrize("after", [False, True])
def test_a_training_is_started_once_if_a_request_fails_and_the_operator_restarts(
    word: str, after: bool
) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run(spec=NODES)

        def fail() -> None:
            raise Fault(after=after)

        cluster.server.fault = (
            at_request("POST", "/services", fail)
            if word == "/services"
            else at_first_job_after_service(cluster, fail)
        )
        await run_until_training(cluster)
        # The operator restarts, too.
        cluster.start_operator()
        await cluster.operator.run_due_passes()
        trained = [job for job in cluster.jobs() if cluster.order(job).steps[0].kind == "train"]
        assert len(trained) == len(services(cluster)) == 1
        await cluster.run_to_end()

    assert run_scenario(scenario).status().phase == "Succeeded"


def at_first_job_after_service(cluster: FakeCluster, act: Callable[[], None]) -> FaultFunction:
    """Return a fault function that acts at the first POST of a Job after the Service exists."""
    acted = False

    def fault(method: str, path: str) -> None:
        nonlocal acted
        if method == "POST" and path == JOBS and services(cluster) and not acted:
            acted = True
            act()

    return fault


def test_the_second_attempt_uses_the_same_service() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run(spec=NODES)
        await run_until_training(cluster)
        (job,) = cluster.jobs()
        cluster.fail(job, 137)
        await cluster.operator.run_due_passes(60)
        cluster.collect_garbage()
        (again,) = cluster.jobs()
        assert again != job
        assert len(services(cluster)) == 1
        env = {
            v["name"]: v.get("value")
            for v in cluster.job(again)["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        assert env["ISHEEP_RENDEZVOUS"].startswith(again.rpartition("/")[2])
        await cluster.run_to_end()

    assert run_scenario(scenario).status().phase == "Succeeded"


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (reject_with(403, "services is forbidden: exceeded quota: services"), "QuotaExceeded"),
        (reject_with(403, "services is forbidden: no permission"), "ServiceForbidden"),
        (reject_with(422, "Service is invalid"), "ServiceInvalid"),
    ],
)
def test_no_job_is_created_while_its_service_is_rejected(
    act: Callable[[], None], reason: str
) -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run(spec=NODES)
        cluster.server.fault = at_request("POST", "/services", act)
        await run_until_training(cluster)
        assert (cluster.status().phase, cluster.ready_condition()[0]) == ("Stalled", reason)
        assert cluster.jobs() == []
        await asyncio.sleep(60)
        await cluster.run_to_end()

    assert run_scenario(scenario).status().phase == "Succeeded"


def test_a_service_of_another_owner_stalls_the_run_and_is_not_changed() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run(spec=NODES)
        name = service_name("run", cluster.uid())
        foreign = {"metadata": {"name": name}, "spec": {"selector": {"app": "mine"}}}
        cluster.server.put(SERVICES, foreign)
        await run_until_training(cluster)
        assert (cluster.status().phase, cluster.ready_condition()[0]) == (
            "Stalled",
            "ServiceNameConflict",
        )
        assert name in cluster.ready_condition()[1]
        cluster.server.remove(f"{SERVICES}/{name}")
        await asyncio.sleep(60)
        await cluster.run_to_end()

    assert run_scenario(scenario).status().phase == "Succeeded"
