"""Addresses, names and folders of the cluster.

All fixed: there is one cluster a machine, and a second `up` has to find the first. The
addresses are private ones that neither Docker, Podman, kind nor minikube takes.
"""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
BUILD = REPOSITORY / "tests" / "control_plane" / "binaries" / "build.py"

BRIDGE = "isheep0"
NODE_NAME = "isheep-node"
NODE_ADDRESS = "10.213.88.1"
POD_NETWORK = "10.213.88.0/24"
POD_FIRST, POD_LAST = "10.213.88.10", "10.213.88.250"
SERVICE_NETWORK = "10.213.99.0/24"
API_SERVICE_ADDRESS = "10.213.99.1"
API_PORT = 6443
KUBELET_PORT = 10250
API_URL = f"https://{NODE_ADDRESS}:{API_PORT}"

# Sockets and pids; gone after a reboot, as the cluster is.
RUN_FOLDER = Path("/run/isheep-cluster")
KUBECONFIG = RUN_FOLDER / "kubeconfig"
CONTAINERD_SOCKET = RUN_FOLDER / "containerd.sock"


def cache() -> Path:
    """Return the folder of what is slow to make; it may be set to lie on a larger disk."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isheep"


def state() -> Path:
    """Return the folder of what lives as long as the cluster: etcd's data, volumes, logs."""
    return cache() / "cluster"
