"""The peak memory of stages over 100,000 items stays below the limit of the project's goals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ITEMS = 100_000
LIMIT = 2 * 1024**3


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("curate", {"completions": ITEMS, "accepted": ITEMS // 2}),
        ("respond", {"pairs": ITEMS}),
        ("select", {"pairs": ITEMS, "kept": ITEMS // 5}),
        ("measure", {"pairs": ITEMS, "measured": ITEMS}),
        ("density", {"pairs": ITEMS, "kept": 16}),
    ],
)
def test_a_stage_over_100_000_items_stays_under_2_gib(
    kind, expected, tiny_model_dir, tmp_path
) -> None:
    probe = Path(__file__).with_name("memory_probe.py")
    done = subprocess.run(
        [
            sys.executable,
            str(probe),
            kind,
            str(ITEMS),
            str(tmp_path / "store"),
            str(tiny_model_dir),
        ],
        capture_output=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert report["exitCode"] == 0, done.stderr.decode()
    assert expected.items() <= report["statistics"].items()
    assert report["peak"] < LIMIT
