"""A small run of the latency benchmark. It prints its figures, and fails only on a defect.

No other test runs at the same time, because the figures would include the cost of that test.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .harness.cluster import Cluster
from .harness.latency import measure

RUNS = 100


@pytest.mark.alone
def test_a_hundred_runs_at_once_succeed(
    cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    figures = measure(cluster, tmp_path, RUNS)
    record_property("figures", str(figures))
    assert len(figures.latencies) == 3 * RUNS
