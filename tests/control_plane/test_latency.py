"""The benchmark, small: it prints what it measures and fails for nothing but a defect."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .harness.latency import measure
from .harness.plane import ControlPlane

RUNS = 100


def test_a_hundred_runs_at_once(
    control_plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = measure(control_plane, tmp_path, RUNS)
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")
    assert len(figures.latencies) == 3 * RUNS
