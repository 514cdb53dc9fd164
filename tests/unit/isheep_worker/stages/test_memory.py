"""The peak memory of stages over 100,000 items stays below the limit of the project's goals.

`make test` runs the stages over two smaller numbers of items, and extends the line through the two
peaks to 100,000 items.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ITEMS = 100_000
LIMIT = 2 * 1024**3

# One process runs the program that all tests read.
pytestmark = pytest.mark.xdist_group("memory")


@pytest.fixture(scope="module", params=[5_000, pytest.param(ITEMS, marks=pytest.mark.long)])
def probed(
    request: pytest.FixtureRequest, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    """For each stage its reports with the smaller and the larger number of items."""
    items: int = request.param
    probe = Path(__file__).with_name("memory_probe.py")
    folder = tmp_path_factory.mktemp("memory")
    done = subprocess.run(
        [sys.executable, str(probe), str(items), str(folder), str(tiny_model_dir)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for line in done.stdout.splitlines():
        report = json.loads(line)
        found.setdefault(report["stage"], []).append(report)
    return found


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("curate", {"completions": 1, "accepted": 1 / 2}),
        ("respond", {"pairs": 1}),
        ("select", {"pairs": 1, "kept": 1 / 5}),
        ("measure", {"pairs": 1, "measured": 1}),
        ("density", {"pairs": 1}),
    ],
)
def test_a_stage_over_100_000_items_stays_under_2_gib(
    kind: str, expected: dict[str, float], probed: dict[str, list[dict[str, Any]]]
) -> None:
    """`expected` has some statistics of the stage as shares of the items."""
    less, report = probed[kind]
    assert report["exitCode"] == 0, report
    items, statistics = report["items"], report["statistics"]
    assert {name: statistics[name] / items for name in expected} == expected
    if kind == "density":
        assert statistics["kept"] == 16
    growth = (report["peak"] - less["peak"]) / (items - less["items"])
    assert report["peak"] + growth * (ITEMS - items) < LIMIT
