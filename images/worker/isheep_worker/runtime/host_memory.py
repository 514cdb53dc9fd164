"""How much memory of this machine a process can still get, with the limits of its container.

The kernel's figure for the machine does not contain the limit of a container, which ends a process
long before the machine is full. So the smaller one of both counts. A container with cgroup version
1 shows its limit elsewhere, and only the machine's figure counts there.
"""

from __future__ import annotations

from pathlib import Path

_KIB = 1024


def free_memory(root: Path = Path("/")) -> int:
    """Return the free memory in bytes; 0 if this system does not say it.

    Memory that only holds contents of files counts as free, because the kernel drops it on demand.

    Args:
        root: The folder that contains `proc` and `sys`.
    """
    found = [_free_of_machine(root / "proc/meminfo")]
    found += (free for group in _groups(root) if (free := _free_of_group(group)) is not None)
    return max(0, min(found))


def _free_of_machine(file: Path) -> int:
    fields = _fields(file, ":")
    return _KIB * int(fields.get("MemAvailable", "0").split()[0])


def _groups(root: Path) -> list[Path]:
    """Return the folders of this process's control group and of all groups above it."""
    top = root / "sys/fs/cgroup"
    path = _fields(root / "proc/self/cgroup", "::").get("0")
    if path is None:
        return []
    # In a container, the path may be that of the machine, which the container does not show.
    own = top / path.lstrip("/")
    return [group for group in (own, *own.parents) if group.is_relative_to(top)]


def _free_of_group(group: Path) -> int | None:
    """Return the free memory below the limit of a group, or None if it has no limit."""
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
    except OSError:
        return None
    if limit == "max":
        return None
    droppable = int(_fields(group / "memory.stat", " ").get("inactive_file", "0"))
    return int(limit) - used + droppable


def _fields(file: Path, separator: str) -> dict[str, str]:
    """Return the lines of a file of the kernel as names and values; nothing without the file."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    parts = (line.partition(separator) for line in lines)
    return {name.strip(): value.strip() for name, found, value in parts if found}
