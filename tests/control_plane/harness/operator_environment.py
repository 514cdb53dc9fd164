"""An operator, the proxy that it speaks through, and the namespaces that it watches.

Most tests share one company, because a process takes seconds to start; each of them has
a namespace. A test that kills its operator, or breaks its network, or configures it
otherwise, has a company of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .laws import check_requests
from .operator_process import HURRY, OperatorProcess, configuration
from .plane import ControlPlane
from .proxy import Proxy
from .rbac import SYSTEM_NAMESPACE
from .scene import Scene


class Company:
    """One operator at work, and the scenes that it serves."""

    def __init__(
        self,
        plane: ControlPlane,
        folder: Path,
        namespaces: list[str],
        *,
        patches: Mapping[str, Any] | None = None,
        lease_seconds: int = 30,
        **changes: Any,
    ) -> None:
        self.plane = plane
        self.folder = folder
        self.lease = f"isheep-{secrets.token_hex(4)}"
        plane.rights.grant_lease(self.lease)
        self.proxy = Proxy(plane.server, plane.rights.token, plane.background)
        self.proxy.start()
        config = configuration(**{"watchNamespaces": namespaces, **changes})
        config["lease"] = {
            "namespace": SYSTEM_NAMESPACE,
            "name": self.lease,
            "durationSeconds": lease_seconds,
        }
        self.operator = OperatorProcess(
            folder,
            self.proxy.kubeconfig,
            config,
            patches=dict(HURRY if patches is None else patches),
        )

    def start(self) -> Company:
        self.operator.start()
        return self

    def scene(self, namespace: str) -> Scene:
        """Open one of the namespaces that the operator watches."""
        self.plane.open_namespace(namespace)
        return Scene(self.plane, namespace, self.operator, self.proxy)

    def close(self, *, check: bool = True) -> None:
        if self.operator.process is not None:
            # How it ends when it is asked to is a test of its own; here nobody waits for it.
            self.operator.kill()
            self.operator.wait()
        self.proxy.stop()
        if check:
            check_requests([r for r in self.proxy.requests if "/namespaces/" not in r.path])
