"""Pods that do not answer the operator, as if a NetworkPolicy that denies traffic selected them.

The policy drops the operator's requests, so each of them takes its whole time limit. Here something
accepts the connections and answers nothing, which takes as long.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from isheep.kube.names import HTTP_PORT

EVERY_ADDRESS = "0.0.0.0"
"""The wildcard, which includes the address of each pod."""


@contextmanager
def silence(addresses: Sequence[str]) -> Iterator[None]:
    """Accept connections to the pods' port at these addresses, and answer nothing."""
    with ExitStack() as open_sockets:
        for address in addresses:
            listener = open_sockets.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, HTTP_PORT))
            listener.listen()
        yield
