"""The benchmark, small: it prints what it measures and fails for nothing but a defect.

Nothing runs beside it: what it says of the operator would be said of its neighbour.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .harness.latency import measure
from .harness.plane import ControlPlane

RUNS = 100


@pytest.mark.alone
def test_a_hundred_runs_at_once(
    control_plane: ControlPlane, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    figures = measure(control_plane, tmp_path, RUNS)
    record_property("figures", str(figures))
    assert len(figures.latencies) == 3 * RUNS
