"""The free memory of a machine and of the containers on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isheep_worker.runtime.host_memory import free_memory

MIB = 1024**2


def system(root: Path, available_mib: int, group: str = "/") -> Path:
    """Write what the kernel says about a machine, and about the group of this process."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        f"MemTotal:  9999999 kB\nMemFree: 1 kB\nMemAvailable:  {available_mib * 1024} kB\n"
    )
    (root / "proc/self/cgroup").write_text(f"0::{group}\n")
    return root


def limit(folder: Path, most: str, used: int, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {files}\n")


def test_without_a_limit_it_is_the_memory_of_the_machine(tmp_path: Path) -> None:
    root = system(tmp_path, 500)
    assert free_memory(root) == 500 * MIB
    limit(root / "sys/fs/cgroup", "max", 10, 0)
    assert free_memory(root) == 500 * MIB


@pytest.mark.parametrize("group", ["/", "/pods/of-the-machine"])
def test_a_container_has_the_rest_of_its_limit_and_can_drop_contents_of_files(
    tmp_path: Path, group: str
) -> None:
    root = system(tmp_path, 500, group)
    limit(root / "sys/fs/cgroup", str(300 * MIB), 250 * MIB, 20 * MIB)
    assert free_memory(root) == 70 * MIB


def test_the_tightest_limit_of_nested_groups_counts(tmp_path: Path) -> None:
    root = system(tmp_path, 500, "/user/session")
    limit(root / "sys/fs/cgroup/user", str(200 * MIB), 190 * MIB, 0)
    limit(root / "sys/fs/cgroup/user/session", "max", 180 * MIB, 0)
    assert free_memory(root) == 10 * MIB


def test_a_group_above_its_limit_has_nothing_left(tmp_path: Path) -> None:
    root = system(tmp_path, 500)
    limit(root / "sys/fs/cgroup", str(100 * MIB), 101 * MIB, 0)
    assert free_memory(root) == 0


def test_a_system_that_says_nothing_has_none(tmp_path: Path) -> None:
    assert free_memory(tmp_path) == 0


def test_it_is_less_than_the_memory_of_this_machine() -> None:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < free_memory() < total
