"""Measures the memory of the operator with runs of the usual size that have ended, and its start.

    python benchmarks/operator_memory.py [--runs 100 1000 3000 10000] [--stalled]

The benchmark prints the figures, and exits with 1 if the operator needs more than the formula in
docs/how-to/observe.md says. 10,000 runs take half an hour on 2 busy cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.control_plane.harness.many_runs import measure_many

BASE_BYTES, ENDED_BYTES, OTHER_BYTES = 135 * 2**20, 4 * 2**10, 40 * 2**10
"""The formula of the page: what the operator needs without runs, and what each run adds at most."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures, and return 1 if the operator needs more than is documented."""
    parser = argparse.ArgumentParser(description="Measure the operator's memory with many runs.")
    parser.add_argument(
        "--runs", type=int, nargs="+", default=[100, 1000, 3000], help="the numbers of runs"
    )
    parser.add_argument("--stalled", action="store_true", help="runs that have not ended")
    options = parser.parse_args(arguments)
    missed, run_bytes = 0, OTHER_BYTES if options.stalled else ENDED_BYTES
    with tempfile.TemporaryDirectory() as scratch:
        for figures in measure_many(Path(scratch), sorted(options.runs), stalled=options.stalled):
            print(figures, flush=True)
            goal = BASE_BYTES + figures.runs * run_bytes
            if figures.peak >= goal:
                missed = 1
                print(f"MISSED: the documented need is {goal / 2**20:.0f} MiB", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
