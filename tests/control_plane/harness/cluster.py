"""The cluster that all tests of a process share: programs, nodes, an observer and rights."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from .api import ApiServer
from .background import Background
from .kubelet import Kubelet
from .observer import Observer
from .rbac import Rights
from .servers import Servers
from .waiting import until

NODES = ("node-1", "node-2", "node-3")


@dataclass
class Cluster:
    """A control plane with nodes; open it after the CRD is served, and close it at the end."""

    servers: Servers
    server: ApiServer
    background: Background
    kubelet: Kubelet
    observer: Observer
    rights: Rights

    @classmethod
    def open(cls, servers: Servers, server: ApiServer, *arguments: str) -> Cluster:
        """Start the controllers, with more arguments of kube-controller-manager, and the nodes."""
        servers.start_controllers(server, *arguments)
        background = Background()
        kubelet = Kubelet(server, background, NODES)
        observer = Observer(server, background)
        rights = Rights(server)
        rights.grant()
        kubelet.start()
        observer.start()
        return cls(servers, server, background, kubelet, observer, rights)

    def close(self) -> None:
        self.kubelet.stop()
        self.observer.stop()
        self.background.close()

    def open_namespace(self, name: str) -> None:
        """Create a namespace, and wait for the service account that its pods need."""
        self.server.must("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        until(lambda: self.server.request("GET", account).status == 200, otherwise=self._why)

    def close_namespace(self, name: str) -> None:
        """Delete a namespace without waiting for the end of its deletion."""
        self.observer.close(name)
        self.server.request("DELETE", f"/api/v1/namespaces/{name}")
        self.kubelet.close_workers(name)

    def kubeconfig(self) -> Path:
        return self.servers.folder / "kubeconfig"

    def _why(self) -> str:
        self.servers.check()
        return f"no default service account (monotonic {time.monotonic():.0f})"
