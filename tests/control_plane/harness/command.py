"""The `isheep` command of a user of a namespace, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from .cluster import Cluster
from .namespace_fixture import NamespaceFixture

# A shell starts programs in the background with SIGINT ignored, and they pass this on.
_RESTORED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
PROGRAM = [sys.executable, "-c", f"{_RESTORED}; from isheep.cli import main; main()"]


def isheep(
    place: NamespaceFixture | Cluster, *arguments: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command with the cluster's kubeconfig to its end."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        env={**_environment(place), **variables},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def started(
    place: NamespaceFixture | Cluster, *arguments: str, **variables: str
) -> subprocess.Popen[str]:
    """Start the command with the cluster's kubeconfig."""
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        env={**_environment(place), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _environment(place: NamespaceFixture | Cluster) -> dict[str, str]:
    cluster = place.cluster if isinstance(place, NamespaceFixture) else place
    return {**os.environ, "KUBECONFIG": str(cluster.kubeconfig())}
