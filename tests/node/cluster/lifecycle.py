"""Brings the cluster up and down, whole: a failed `up` leaves as little as a `down`."""

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

# In the order in which they are stopped; containerd last, for what pods leave in it.
_STOPPED_FIRST = ("kube-scheduler", "kube-controller-manager")
_STOPPED_NEXT = ("kubelet", "kube-proxy", "kube-apiserver", "etcd", object_store.NAME)


def up() -> Path:
    """Bring the cluster up and return its kubeconfig."""
    check_root()
    if settings.KUBECONFIG.exists():
        raise ClusterError(
            f"a cluster is up already: its kubeconfig is {settings.KUBECONFIG}; "
            "`make cluster-down` takes it down"
        )
    binaries = build_binaries()
    if settings.RUN_FOLDER.exists():
        down()  # what an `up` that was killed has left
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
    """Take the cluster down and remove all that it left; nothing to do is fine."""
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
        traces.put_back()
    network.down()
    shutil.rmtree(settings.state(), ignore_errors=True)
    shutil.rmtree(settings.RUN_FOLDER, ignore_errors=True)


def build_binaries() -> Path:
    """Return the folder of the pinned programs, which are built first where they are missing."""
    return Path(run([sys.executable, settings.BUILD, "node"]).strip())


def check_root() -> None:
    """Raise where the caller may not make bridges, mounts and control groups."""
    if os.geteuid() != 0:
        raise ClusterError("a node needs root: run this with sudo")


def _start(binaries: Path) -> None:
    settings.state().mkdir(parents=True)
    authority = Authority(settings.RUN_FOLDER / "certificates")
    network.up()
    node.start_containerd(binaries)
    delivery.give(images.ensure_pause(), node.ctr(binaries))
    control_plane.start(binaries, authority)
    admin = authority.kubeconfig(settings.RUN_FOLDER / "admin", "admin", ["system:masters"])
    node.start(binaries, authority, admin)
    # The last step: where this file is, a cluster is up.
    admin.rename(settings.KUBECONFIG)


def _end_pods(binaries: Path) -> None:
    """Let the kubelet end the pods while it can: it knows best what belongs to them."""
    admin = settings.KUBECONFIG
    if admin.exists() and all(map(processes.is_running, ("etcd", "kube-apiserver", "kubelet"))):
        ask = [binaries / "kubectl", f"--kubeconfig={admin}", "--request-timeout=20s", "delete"]
        with contextlib.suppress(ClusterError):
            run([*ask, "pods", "--all", "--all-namespaces", "--grace-period=1", "--timeout=60s"])
