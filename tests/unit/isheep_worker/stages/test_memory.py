"""The peak memory of stages over 100,000 items stays below the limit of the project's goals.

`make test` runs the stages over fewer items, and multiplies what the memory grows by.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ITEMS = 100_000
LIMIT = 2 * 1024**3


@pytest.mark.parametrize("items", [20_000, pytest.param(ITEMS, marks=pytest.mark.long)])
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
    kind, expected, items, tiny_model_dir, tmp_path
) -> None:
    """`expected` has some statistics of the stage as shares of the items."""
    probe = Path(__file__).with_name("memory_probe.py")
    done = subprocess.run(
        [sys.executable, str(probe), kind, str(items), str(tmp_path), str(tiny_model_dir)],
        capture_output=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert report["exitCode"] == 0, done.stderr.decode()
    statistics = report["statistics"]
    assert {name: statistics[name] / items for name in expected} == expected
    if kind == "density":
        assert statistics["kept"] == 16
    growth = (report["peak"] - report["start"]) / items
    assert report["start"] + growth * ITEMS < LIMIT
