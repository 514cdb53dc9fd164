"""Several workers of an operator at the same time, on a fake cluster whose Jobs end at random."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from .fake_cluster import FakeCluster


async def work_until_over(
    cluster: FakeCluster, names: Sequence[str], chance: random.Random, *, workers: int, steps: int
) -> None:
    """Perform passes until all runs have ended, or for this number of steps of time."""
    tasks = [asyncio.create_task(_work(cluster)) for _ in range(workers)]
    for _ in range(steps):
        await asyncio.sleep(chance.choice([0, 0.0625, 0.5]))
        cluster.collect_garbage()
        for path in cluster.jobs():
            if chance.random() < 0.5:
                cluster.complete(path)
        if all(cluster.is_over(name) for name in names):
            break
    for task in tasks:
        assert not task.done(), task.exception()
        task.cancel()
    await asyncio.wait(tasks, timeout=5)


async def _work(cluster: FakeCluster) -> None:
    while True:
        await cluster.operator.run_pass(None)
