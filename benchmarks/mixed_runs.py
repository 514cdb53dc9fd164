"""Measures the memory of the operator with thousands of runs of the largest size, in all states.

    python benchmarks/mixed_runs.py [--finished N] [--suspended N] [--stalled N] [--working N]

The benchmark prints the figures of each phase and exits with 1 if the operator needs more than the
chart's memory limit. The default is 3,000 runs, for which etcd needs 6 GB of disk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.control_plane.harness.mixed_runs import MIXTURE, measure_mixed

LIMIT_BYTES = 256 * 2**20
"""`resources.limits.memory` of the chart."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures, and return 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description="Measure the operator's memory with large runs.")
    for state, count in MIXTURE.items():
        parser.add_argument(f"--{state}", type=int, default=count, help=f"{state} runs")
    options = vars(parser.parse_args(arguments))
    peak = 0
    with tempfile.TemporaryDirectory() as scratch:
        for phase in measure_mixed(Path(scratch), {state: options[state] for state in MIXTURE}):
            print(phase, flush=True)
            peak = max(peak, phase.peak)
    if peak >= LIMIT_BYTES:
        print(f"MISSED: {peak / 2**20:.0f} MiB, the goal is below {LIMIT_BYTES / 2**20:.0f} MiB")
    return int(peak >= LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
