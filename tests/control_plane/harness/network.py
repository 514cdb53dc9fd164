"""The network between a user's command and the API server, which can break.

It forwards connections without a look into them, so TLS and the credentials are those of the user.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .cluster import Cluster
from .ports import free_port
from .servers import kubeconfig_with


class Network:
    """A forwarder on a port of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._port = free_port()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None

    def kubeconfig(self, folder: Path) -> Path:
        """Return a kubeconfig of an administrator behind this network."""
        document = kubeconfig_with(self._cluster.server, self._cluster.server.token)
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self._port}"
        path = folder / "kubeconfig"
        path.write_text(json.dumps(document))
        return path

    def up(self) -> None:
        """Accept connections."""
        self._cluster.background.run(self._up())

    def down(self) -> None:
        """End all connections, and refuse new ones."""
        self._cluster.background.run(self._down())

    async def _up(self) -> None:
        self._listener = await asyncio.start_server(self._forward, "127.0.0.1", self._port)

    async def _down(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._cluster.server.port)
        self._writers |= {writer, there[1]}
        try:
            await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        finally:
            self._writers -= {writer, there[1]}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextmanager
def network_of(cluster: Cluster) -> Iterator[Network]:
    """Open a network to a cluster's API server."""
    network = Network(cluster)
    network.up()
    try:
        yield network
    finally:
        network.down()
