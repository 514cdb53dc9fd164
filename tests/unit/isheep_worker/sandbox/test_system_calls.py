"""The tables of system calls."""

from __future__ import annotations

import platform
from itertools import chain

import pytest

from isheep_worker.sandbox import seccomp, system_calls
from isheep_worker.sandbox.system_calls import ARCHITECTURES


def test_a_number_has_one_name() -> None:
    for machine in ARCHITECTURES.values():
        assert len(set(machine.numbers.values())) == len(machine.numbers)


def test_the_filter_names_known_calls() -> None:
    named = set(chain(seccomp.ALLOWED, seccomp.REFUSED))
    for name, machine in ARCHITECTURES.items():
        missing = named - set(machine.numbers)
        # 64-bit Arm never had these calls.
        assert missing <= (set() if name == "x86_64" else OLD_CALLS)


OLD_CALLS = {
    *("access", "alarm", "arch_prctl", "dup2", "epoll_wait", "fork", "lstat", "pause", "pipe"),
    *("poll", "readlink", "select", "stat", "time", "vfork"),
}


def test_another_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="x86_64 and aarch64 only, not of riscv64"):
        system_calls.architecture()
