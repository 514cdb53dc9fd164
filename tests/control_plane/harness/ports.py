"""Ports for the servers of the tests.

The kernel assigns ports of the ephemeral range to outgoing connections. If a server had a
port of this range, a connection of any process could occupy the port before the server
binds it, or while the server restarts. All ports of the harness are below this range.
"""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path

LOWEST = 10_000
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_assigned: set[int] = set()


def free_port() -> int:
    """Return a loopback port at which no process listens, each port only once."""
    candidates = range(LOWEST, int(EPHEMERAL_RANGE.read_text().split()[0]))
    # Test sessions that run at the same time begin at different ports.
    for port in random.sample(candidates, len(candidates)):
        if port not in _assigned and _is_free(port):
            _assigned.add(port)
            return port
    raise OSError(errno.EADDRINUSE, f"no port from {LOWEST} to {candidates.stop - 1} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
