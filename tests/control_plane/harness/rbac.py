"""The operator's rights in tests: exactly those that its chart grants.

Helm renders the chart; the service account and the roles of the result are applied.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from .api import ApiServer
from .servers import binaries

CHART = Path(__file__).resolve().parents[3] / "charts" / "isheep-operator"
RELEASE = "isheep"
SYSTEM_NAMESPACE = "isheep-system"
KINDS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
TOKEN_SECONDS = 24 * 3600


def rendered(*arguments: str) -> list[dict[str, Any]]:
    """Return the objects that the chart renders."""
    command = [str(binaries() / "helm"), "template", RELEASE, str(CHART)]
    done = subprocess.run(
        [*command, "--namespace", SYSTEM_NAMESPACE, *arguments],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


class Rights:
    """The operator's service account and its roles."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._lease_rules: list[dict[str, Any]] = []
        self._account = ""
        self.token = ""

    def grant(self, *arguments: str) -> None:
        """Apply the chart's service account and roles, and get a token."""
        namespace = {"metadata": {"name": SYSTEM_NAMESPACE}}
        created = self._server.request("POST", "/api/v1/namespaces", namespace)
        assert created.status in (201, 409), created.message
        for document in rendered(*arguments):
            if document["kind"] in KINDS:
                self._apply(document)
        accounts = PATHS["ServiceAccount"].format(SYSTEM_NAMESPACE)
        request = {"spec": {"expirationSeconds": TOKEN_SECONDS}}
        answer = self._server.must("POST", f"{accounts}/{self._account}/token", request)
        self.token = answer["status"]["token"]

    def grant_namespace(self, namespace: str, *arguments: str) -> None:
        """Grant the rights in one more of the watched namespaces; `arguments` are those of Helm."""
        for document in rendered("--set", f"watchNamespaces={{{namespace}}}", *arguments):
            if document["metadata"].get("namespace") == namespace:
                self._apply(document)

    def grant_lease(self, name: str) -> None:
        """Grant the rights of the installation's Lease on another Lease, one for each test."""
        rules = [
            {**rule, "resourceNames": [name]} if "resourceNames" in rule else rule
            for rule in self._lease_rules
        ]
        role = {"metadata": {"name": name}, "rules": rules}
        subject = {
            "kind": "ServiceAccount",
            "name": self._account,
            "namespace": SYSTEM_NAMESPACE,
        }
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        self._server.must("POST", PATHS["Role"].format(SYSTEM_NAMESPACE), role)
        self._server.must("POST", PATHS["RoleBinding"].format(SYSTEM_NAMESPACE), binding)

    def _apply(self, document: dict[str, Any]) -> None:
        kind, metadata = document["kind"], document["metadata"]
        path = PATHS[kind].format(metadata.get("namespace", SYSTEM_NAMESPACE))
        self._server.must("POST", path, document)
        if kind == "ServiceAccount":
            self._account = metadata["name"]
        if kind == "Role" and any("leases" in rule["resources"] for rule in document["rules"]):
            self._lease_rules = document["rules"]
