"""Landlock: the files that a program can read.

The kernel then refuses everything else on the file system, such as /proc, home folders and mounted
Secrets, although the program runs as the same user. It also refuses access to other processes, and
signals to them where the kernel can do that.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from isheep_worker.sandbox.kernel import system_call
from isheep_worker.sandbox.system_calls import architecture

_VERSION_FLAG = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""The number of rights on files in each version of the interface; they are bits from 0."""
_NETWORK_SINCE, _NETWORK = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def restrict_reading(readable: Iterable[str]) -> None:
    """Let this process read files and folders below these paths only, and write none, for good.

    A path that does not exist is left out. The process needs `forbid_new_privileges` before.

    Raises:
        OSError: The kernel has no Landlock, or it is switched off.
    """
    numbers = architecture().numbers
    create = numbers["landlock_create_ruleset"]
    version = system_call(create, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    rights = _RIGHTS_BY_VERSION.get(version, max(_RIGHTS_BY_VERSION.values()))
    ruleset = _Ruleset(
        (1 << rights) - 1,
        _NETWORK if version >= _NETWORK_SINCE else 0,
        _SCOPES if version >= _SCOPES_SINCE else 0,
    )
    # Fields of a newer version are zero for an older kernel, which accepts them then.
    size = ctypes.c_size_t(ctypes.sizeof(ruleset))
    rules = system_call(create, ctypes.byref(ruleset), size, ctypes.c_uint32(0))
    try:
        for path in readable:
            _allow(numbers["landlock_add_rule"], rules, path)
        system_call(numbers["landlock_restrict_self"], ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)


def _allow(add_rule: int, rules: int, path: str) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0)  # noqa: PTH112 (few imports)
        beneath = _Beneath(rights, parent)
        system_call(
            add_rule,
            ctypes.c_int(rules),
            ctypes.c_int(_PATH_BENEATH),
            ctypes.byref(beneath),
            ctypes.c_uint32(0),
        )
    finally:
        os.close(parent)
