"""What the cluster's programs change outside of its folders, put back as it was.

The kubelet sets kernel parameters and makes folders and control groups at fixed places;
pods leave mounts when they are killed hard. `remember` notes what was there before, `put_back`
removes only what was not.
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
    """Note what is there before the first program is started."""
    before = {
        "parameters": {name: (Path("/proc/sys") / name).read_text() for name in PARAMETERS},
        "folders": [folder for folder in FOLDERS if Path(folder).exists()],
    }
    _RECORD.write_text(json.dumps(before))


def put_back() -> None:
    """Undo what the programs did, once they are stopped."""
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
    """Unmount whatever lies in the cluster's folders, the last mounted first."""
    for _ in range(3):
        if not (points := _mount_points()):
            return
        for point in reversed(points):
            with contextlib.suppress(ClusterError):
                run(["umount", point])
    raise ClusterError(f"still mounted, and in use: {', '.join(points)}")


def _mount_points() -> list[str]:
    ours = [settings.state(), settings.RUN_FOLDER, settings.cache() / "images"]
    ours += [Path(folder) for folder in FOLDERS]
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].replace("\\040", " ") for line in lines]
    return [point for point in points if any(Path(point).is_relative_to(one) for one in ours)]


def _remove_control_groups() -> None:
    """Remove the pods' groups: one tree with version 2, one for each controller with 1."""
    trees = [*CONTROL_GROUPS.glob("kubepods"), *CONTROL_GROUPS.glob("*/kubepods")]
    for tree in trees:
        groups = sorted(path for path in tree.rglob("*") if path.is_dir())
        for group in [*reversed(groups), tree]:
            with contextlib.suppress(OSError):
                group.rmdir()
