"""What the operator adds to an order when it creates a Job."""

from __future__ import annotations

import pytest

from ..fake_cluster import FakeCluster, run_scenario
from ..lease_scenarios import PATH


@pytest.mark.parametrize("restarted", [False, True])
def test_an_order_names_the_installation_by_its_lease(restarted: bool) -> None:
    """The first Job of a process names it, too, although the process has just read the Lease."""

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run("one")
        await cluster.operator.run_due_passes()
        if restarted:
            cluster.start_operator()
            cluster.create_run("two")
            await cluster.operator.run_due_passes()
        uid = cluster.server.objects[PATH]["metadata"]["uid"]
        orders = [cluster.order(job) for job in cluster.jobs()]
        assert len(orders) == 1 + restarted
        assert {order.run.cluster for order in orders} == {uid}

    run_scenario(scenario)
