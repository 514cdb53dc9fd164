"""Failed attempts in the metrics: counted when the status is written, and not after a restart."""

from __future__ import annotations

from ..fake_cluster import FakeCluster, run_scenario
from ..scenarios import run_until_respond


def test_a_failed_attempt_is_counted_once() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        job = await run_until_respond(cluster)
        cluster.run_pod(job)
        await cluster.operator.run_due_passes()
        cluster.fail(job, 74)
        await cluster.operator.run_due_passes()
        failure = cluster.status().last_failure
        assert failure is not None
        assert sum(record.failures for record in cluster.status().stages) == 1
        counted = f'isheep_attempts_failed_total{{reason="{failure.reason}",stage="respond"}} 1.0'
        assert counted in cluster.operator.metrics.text().decode()
        cluster.collect_garbage()
        await cluster.operator.run_due_passes()
        assert counted in cluster.operator.metrics.text().decode()
        cluster.start_operator()
        await cluster.operator.run_due_passes()
        assert "isheep_attempts_failed_total{" not in cluster.operator.metrics.text().decode()

    run_scenario(scenario)
