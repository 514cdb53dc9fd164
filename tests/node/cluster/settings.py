"""Addresses, names and folders of the cluster.

All values are fixed: a machine has at most one cluster, and a second `up` must find the
first. The addresses are private and are used by neither Docker, Podman, kind nor minikube.
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

# Sockets and pids. A reboot removes them, as it ends the cluster.
RUN_FOLDER = Path("/run/isheep-cluster")
KUBECONFIG = RUN_FOLDER / "kubeconfig"
CONTAINERD_SOCKET = RUN_FOLDER / "containerd.sock"


def cache() -> Path:
    """Return the folder for files that take long to build; $XDG_CACHE_HOME can move it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isheep"


def state() -> Path:
    """Return the folder that exists as long as the cluster: etcd's data, volumes, logs."""
    return cache() / "cluster"
