"""Starts and stops the cluster. A failed `up` removes its traces as `down` does."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path

from cluster import (
    control_plane,
    delivery,
    images,
    network,
    node,
    object_store,
    processes,
    settings,
    traces,
)
from cluster.certificates import Authority
from cluster.commands import ClusterError, run

# The order of the stops. containerd stops last, after the removal of the pods' containers.
_STOPPED_FIRST = ("kube-scheduler", "kube-controller-manager")
_STOPPED_NEXT = ("kubelet", "kube-proxy", "kube-apiserver", "etcd", object_store.NAME)


def up() -> Path:
    """Start the cluster and return its kubeconfig.

    Raises:
        ClusterError: The caller is not root, a cluster is running, or a program fails.
    """
    check_root()
    if settings.KUBECONFIG.exists():
        raise ClusterError(
            f"a cluster is running already: its kubeconfig is {settings.KUBECONFIG}; "
            "`make cluster-down` stops it"
        )
    binaries = build_binaries()
    if settings.RUN_FOLDER.exists():
        down()  # removes the traces of a killed `up`
    network.check_free()
    settings.RUN_FOLDER.mkdir(mode=0o700)
    try:
        traces.remember()
        _start(binaries)
    except BaseException:
        down()
        raise
    return settings.KUBECONFIG


def down() -> None:
    """Stop the cluster and remove its traces; do nothing if there are none."""
    check_root()
    if settings.RUN_FOLDER.exists():
        binaries = build_binaries()
        for name in _STOPPED_FIRST:
            processes.stop(name)
        _end_pods(binaries)
        for name in _STOPPED_NEXT:
            processes.stop(name)
        if processes.is_running("containerd"):
            node.remove_containers(binaries)
            processes.stop("containerd")
        traces.restore()
    network.down()
    shutil.rmtree(settings.state(), ignore_errors=True)
    shutil.rmtree(settings.RUN_FOLDER, ignore_errors=True)


def build_binaries() -> Path:
    """Return the folder of the pinned programs, which are built first if they are missing."""
    return Path(run([sys.executable, settings.BUILD, "node"]).strip())


def check_root() -> None:
    """Raise ClusterError if the caller may not create bridges, mounts and control groups."""
    if os.geteuid() != 0:
        raise ClusterError("a node needs root: run this with sudo")


def _start(binaries: Path) -> None:
    settings.state().mkdir(parents=True)
    authority = Authority(settings.RUN_FOLDER / "certificates")
    network.up()
    node.start_containerd(binaries)
    delivery.import_image(images.ensure_pause(), node.ctr(binaries))
    control_plane.start(binaries, authority)
    admin = authority.kubeconfig(settings.RUN_FOLDER / "admin", "admin", ["system:masters"])
    node.start(binaries, authority, admin)
    # This is the last step: the file exists only if a cluster is running.
    admin.rename(settings.KUBECONFIG)


def _end_pods(binaries: Path) -> None:
    """Delete the pods while the kubelet runs, because it removes all parts of a pod."""
    admin = settings.KUBECONFIG
    if admin.exists() and all(map(processes.is_running, ("etcd", "kube-apiserver", "kubelet"))):
        delete = [binaries / "kubectl", f"--kubeconfig={admin}", "--request-timeout=20s", "delete"]
        with contextlib.suppress(ClusterError):
            run([*delete, "pods", "--all", "--all-namespaces", "--grace-period=1", "--timeout=60s"])
