"""An operator, its proxy, and the namespaces that it watches.

Most tests share one environment, because a process takes seconds to start; each of these
tests has its own namespace. A test that kills its operator, disturbs its network, or
configures it differently has its own environment.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .cluster import Cluster
from .invariants import check_requests
from .namespace_fixture import NamespaceFixture
from .operator_process import SHORT_WAITS, OperatorProcess, configuration
from .proxy import Proxy
from .rbac import SYSTEM_NAMESPACE


class OperatorEnvironment:
    """One operator with its own proxy and Lease."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        namespaces: list[str],
        *,
        patches: Mapping[str, Any] | None = None,
        lease_seconds: int = 30,
        **changes: Any,
    ) -> None:
        self.cluster = cluster
        self.folder = folder
        self.lease = f"isheep-{secrets.token_hex(4)}"
        cluster.rights.grant_lease(self.lease)
        self.proxy = Proxy(cluster.server, cluster.rights.token, cluster.background)
        self.proxy.start()
        config = configuration(**{"watchNamespaces": namespaces, **changes})
        config["lease"] = {
            "namespace": SYSTEM_NAMESPACE,
            "name": self.lease,
            "durationSeconds": lease_seconds,
        }
        self.operator = OperatorProcess(
            folder,
            self.proxy.connect,
            config,
            patches=dict(SHORT_WAITS if patches is None else patches),
        )

    def start(self) -> OperatorEnvironment:
        self.operator.start()
        return self

    def namespace(self, name: str) -> NamespaceFixture:
        """Create one of the namespaces that the operator watches."""
        self.cluster.open_namespace(name)
        return NamespaceFixture(self.cluster, name, self.operator, self.proxy)

    def close(self, *, check: bool = True) -> None:
        if self.operator.process is not None:
            # A separate test covers the end on SIGTERM, so no other test waits for it.
            self.operator.kill()
            self.operator.wait()
        self.proxy.stop()
        if check:
            check_requests([r for r in self.proxy.all_requests() if "/namespaces/" not in r.path])
