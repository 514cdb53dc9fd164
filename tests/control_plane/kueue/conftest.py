"""A control plane with the real Kueue. It is no other test's, because Kueue holds all Jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..harness.cluster import Cluster
from ..harness.kueue import Kueue
from ..harness.servers import Servers, serve_crd


@pytest.fixture(scope="session")
def kueue_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cluster, Kueue]]:
    """A cluster with the operator's rights, and its Kueue."""
    servers = Servers(tmp_path_factory.mktemp("kueue-control-plane"))
    try:
        server = servers.start_api_server()
        serve_crd(server)
        cluster = Cluster.open(servers, server)
        try:
            yield cluster, Kueue(servers, server).start()
        finally:
            cluster.close()
    finally:
        servers.stop()
