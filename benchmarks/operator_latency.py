"""Measures the operator's latency, memory and CPU time with 1,000 runs on a local control cluster.

    python benchmarks/operator_latency.py [--runs 1000] [--silent]

The benchmark prints the figures and exits with 1 if a goal is missed. The file
`tests/control_plane/harness/latency.py` describes what is measured and how; a test uses it with
fewer runs. The operator shares the cores of the machine with the control cluster: etcd, the API
servers and the simulated nodes. 1,000 runs take about ten minutes. With `--silent`, the pods run
and never answer the operator, as in a namespace whose NetworkPolicy drops its requests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.control_plane.harness.cluster import Cluster
from tests.control_plane.harness.latency import measure
from tests.control_plane.harness.servers import Servers, serve_crd


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures, and return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description="Measure the operator's latency, memory and CPU time."
    )
    parser.add_argument("--runs", type=int, default=1000, help="the number of runs at once")
    parser.add_argument("--silent", action="store_true", help="pods that do not answer")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        servers = Servers(Path(scratch))
        try:
            server = servers.start_api_server()
            serve_crd(server)
            cluster = Cluster.open(servers, server)
            try:
                figures = measure(
                    cluster, Path(scratch) / "operator", chosen.runs, silent=chosen.silent
                )
            finally:
                cluster.close()
        finally:
            servers.stop()
    print(figures)
    for miss in figures.misses():
        print(f"MISSED: {miss}")
    return 1 if figures.misses() else 0


if __name__ == "__main__":
    sys.exit(main())
