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
        identity: str = "operator-0",
        lease: str | None = None,
        **changes: Any,
    ) -> None:
        """Prepare an operator.

        Args:
            cluster: The control plane.
            folder: The folder for its files.
            namespaces: The namespaces that it watches; they may not exist yet.
            patches: The constants to replace; short waits if None.
            lease_seconds: The duration of its Lease.
            identity: The name of its pod.
            lease: The name of another operator's Lease, for a replica of that operator.
            changes: Other fields of its configuration.
        """
        self.cluster = cluster
        self.folder = folder
        self.lease = lease or f"isheep-{secrets.token_hex(4)}"
        if lease is None:
            cluster.rights.grant_lease(self.lease)
        self.proxy = Proxy(cluster.server, cluster.rights.token, cluster.background)
        self.proxy.start()
        config = configuration(**{"watchNamespaces": namespaces, **changes})
        config["lease"] = {
            "namespace": SYSTEM_NAMESPACE,
            "name": self.lease,
            "durationSeconds": lease_seconds,
        }
        self._namespaces = namespaces
        self.operator = OperatorProcess(
            folder,
            self.proxy.connect,
            config,
            identity,
            patches=dict(SHORT_WAITS if patches is None else patches),
        )

    def start(self) -> OperatorEnvironment:
        self.operator.start()
        return self

    def replica(self, **changes: Any) -> OperatorEnvironment:
        """Return another operator of the same installation, with its own proxy, not started yet."""
        config = {k: v for k, v in self.operator.config.items() if k not in ("lease", "httpPort")}
        return OperatorEnvironment(
            self.cluster,
            self.folder / "replica",
            self._namespaces,
            patches=self.operator.patches,
            lease_seconds=self.operator.config["lease"]["durationSeconds"],
            identity="operator-1",
            lease=self.lease,
            **{**config, **changes},
        )

    def namespace(self, name: str) -> NamespaceFixture:
        """Create one of the namespaces that the operator watches."""
        self.cluster.open_namespace(name)
        return NamespaceFixture(self.cluster, name, self.operator, self.proxy)

    def close(self, *, check: bool = True) -> None:
        if self.operator.process is not None:
            self.operator.resume()
            # A separate test covers the end on SIGTERM, so no other test waits for it.
            self.operator.kill()
            self.operator.wait()
        self.proxy.stop()
        if check:
            check_requests([r for r in self.proxy.all_requests() if "/namespaces/" not in r.path])
