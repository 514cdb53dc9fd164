"""Restore the parts of the machine outside of the cluster's folders that its programs change.

The kubelet sets kernel parameters and creates folders and control groups at fixed paths, and
killed pods leave mounts. `remember` records the state before the start. `restore` removes only
what did not exist before.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

from cluster import settings
from cluster.commands import ClusterError, run

PARAMETERS = (
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
FOLDERS = (
    "/run/containerd",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
)
CONTROL_GROUPS = Path("/sys/fs/cgroup")
_RECORD = settings.RUN_FOLDER / "before.json"


def remember() -> None:
    """Record the parameters and folders before the first program starts."""
    before = {
        "parameters": {name: (Path("/proc/sys") / name).read_text() for name in PARAMETERS},
        "folders": [folder for folder in FOLDERS if Path(folder).exists()],
    }
    _RECORD.write_text(json.dumps(before))


def restore() -> None:
    """Undo the changes of the programs after all have stopped.

    Raises:
        ClusterError: A mount point of the cluster is in use.
    """
    _unmount()
    _remove_control_groups()
    if not _RECORD.exists():
        return
    before = json.loads(_RECORD.read_text())
    for name, value in before["parameters"].items():
        (Path("/proc/sys") / name).write_text(value)
    for folder in set(FOLDERS) - set(before["folders"]):
        shutil.rmtree(folder, ignore_errors=True)


def _unmount() -> None:
    """Unmount all mount points in the cluster's folders, the latest first."""
    for _ in range(3):
        if not (points := _mount_points()):
            return
        for point in reversed(points):
            with contextlib.suppress(ClusterError):
                run(["umount", point])
    raise ClusterError(
        f"still mounted, because a process uses them: {', '.join(points)}; end the process, "
        "and run `make cluster-down` again"
    )


def _mount_points() -> list[str]:
    ours = [settings.state(), settings.RUN_FOLDER, settings.cache() / "images"]
    ours += [Path(folder) for folder in FOLDERS]
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].replace("\\040", " ") for line in lines]
    return [point for point in points if any(Path(point).is_relative_to(one) for one in ours)]


def _remove_control_groups() -> None:
    """Remove the pods' control groups: one tree in version 2, one per controller in version 1."""
    trees = [*CONTROL_GROUPS.glob("kubepods"), *CONTROL_GROUPS.glob("*/kubepods")]
    for tree in trees:
        groups = sorted(path for path in tree.rglob("*") if path.is_dir())
        for group in [*reversed(groups), tree]:
            with contextlib.suppress(OSError):
                group.rmdir()
