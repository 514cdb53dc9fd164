"""The operator's latency and cost, with 1,000 runs on a control plane of this machine.

    python benchmarks/operator_latency.py [--runs 1000]

prints the figures, and ends with 1 where they miss the goals; what is measured and how
stands in `tests/control_plane/harness/latency.py`, which a test runs with fewer runs. A
small machine's cores are shared with the control plane itself: etcd, three servers and
what stands in for the nodes. 1,000 runs take about ten minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.control_plane.harness.latency import measure
from tests.control_plane.harness.plane import ControlPlane
from tests.control_plane.harness.servers import Servers, serve_crd


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description="Measure the operator's latency and cost.")
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args(arguments).runs
    with tempfile.TemporaryDirectory() as scratch:
        servers = Servers(Path(scratch))
        try:
            server = servers.start_api_server()
            serve_crd(server)
            plane = ControlPlane.open(servers, server)
            try:
                figures = measure(plane, Path(scratch) / "operator", runs)
            finally:
                plane.close()
        finally:
            servers.stop()
    print(figures)
    for miss in figures.misses():
        print(f"MISSED: {miss}")
    return 1 if figures.misses() else 0


if __name__ == "__main__":
    sys.exit(main())
