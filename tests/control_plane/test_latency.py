"""A small run of the latency benchmark. It prints its figures, and fails only on a defect.

No other test runs at the same time, because the figures would include the cost of that test. The
time grows with the number of runs, so `make test` has fewer than `make test-long`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .harness.cluster import Cluster
from .harness.latency import measure


@pytest.mark.alone
@pytest.mark.parametrize("runs", [40, pytest.param(100, marks=pytest.mark.long)])
def test_many_runs_at_once_succeed(
    runs: int, cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    figures = measure(cluster, tmp_path, runs)
    record_property("figures", str(figures))
    assert len(figures.latencies) == 3 * runs
