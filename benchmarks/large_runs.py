"""Measures the memory of the operator with many runs of the largest size.

    python benchmarks/large_runs.py [--runs 3000] [--working]

The benchmark prints the figures and exits with 1 if the operator needs more than the chart's memory
limit. 3,000 runs take an hour on 2 cores, and the API server needs 8 GB of memory for them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.control_plane.harness.large_runs import measure_large

LIMIT_BYTES = 256 * 2**20
"""`resources.limits.memory` of the chart."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures, and return 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description="Measure the operator's memory with large runs.")
    parser.add_argument("--runs", type=int, default=3000, help="the number of runs")
    parser.add_argument("--working", action="store_true", help="do not suspend the runs")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure_large(Path(scratch), runs=options.runs, suspended=not options.working)
    print(figures)
    peak = max(figures.first_peak, figures.second_peak)
    if peak >= LIMIT_BYTES:
        print(f"MISSED: {peak / 2**20:.0f} MiB, the goal is below {LIMIT_BYTES / 2**20:.0f} MiB")
    return int(peak >= LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
