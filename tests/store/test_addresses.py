"""An object store whose endpoint is an IPv6 address, as on a machine without a name server."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import urllib.parse
from collections.abc import Iterator

import pytest

from .conftest import SeaweedFS


class _Relay(socketserver.BaseRequestHandler):
    """Passes the bytes of one connection to the server, and those of its answers back."""

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as onward:
            back = threading.Thread(target=_copy, args=(onward, self.request), daemon=True)
            back.start()
            _copy(self.request, onward)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class _Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    target: tuple[str, int]


@pytest.fixture
def relayed(seaweedfs: SeaweedFS) -> Iterator[SeaweedFS]:
    """The server at an IPv6 address of this machine."""
    try:
        server = _Server(("::1", 0), _Relay)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        target = urllib.parse.urlsplit(seaweedfs.endpoint)
        server.target = (str(target.hostname), int(target.port or 0))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield SeaweedFS(f"http://[::1]:{server.server_address[1]}")
        server.shutdown()


def test_an_endpoint_can_be_an_ipv6_address(relayed: SeaweedFS, seaweedfs: SeaweedFS) -> None:
    store = relayed.store("ipv6")
    store.put("k", b"x")
    assert seaweedfs.store("ipv6").get("k") == b"x"
    assert relayed.spec("ipv6").s3.endpoint == relayed.endpoint
