"""A real API server accepts the objects of the chart, and the pod in a restricted namespace."""

from __future__ import annotations

import copy
from typing import Any

import pytest

CORE = "/api/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
PATHS = {
    "ConfigMap": (CORE, "configmaps"),
    "Service": (CORE, "services"),
    "ServiceAccount": (CORE, "serviceaccounts"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "Role": (RBAC, "roles"),
    "RoleBinding": (RBAC, "rolebindings"),
    "ClusterRole": (RBAC, "clusterroles"),
    "ClusterRoleBinding": (RBAC, "clusterrolebindings"),
    "CustomResourceDefinition": (
        "/apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
    ),
    "ValidatingAdmissionPolicy": (ADMISSION, "validatingadmissionpolicies"),
    "ValidatingAdmissionPolicyBinding": (ADMISSION, "validatingadmissionpolicybindings"),
}
EVERYTHING = {
    "imagePullSecrets": [{"name": "registry"}],
    "watchNamespaces": ["chart-a", "chart-b"],
    "defaultStorage": {"s3": {"bucket": "one-bucket", "secretRef": {"name": "s3"}}},
    "modelMirrors": {"hf://": "s3://models/hub"},
    "admission": {"serviceAccounts": ["runner"], "imagePrefixes": ["registry.example.com/team"]},
    "appArmorProfile": "RuntimeDefault",
    "networkPolicy": {"enabled": True, "apiServer": {"cidrs": ["192.0.2.0/24", "2001:db8::/32"]}},
    "podLabels": {"team": "x"},
    "podAnnotations": {"note": "true"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "priorityClassName": "system-cluster-critical",
}


LISTED = {
    "admission": {"mode": "Listed", "namespaces": {"chart-a": {"claims": ["models"]}}},
}


@pytest.fixture(scope="module")
def server(api_server: Any) -> Any:
    for name in ("isheep-system", "chart-a", "chart-b", "chart-restricted"):
        metadata: dict[str, Any] = {"name": name}
        if name == "chart-restricted":
            metadata["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
        answer = api_server.request("POST", f"{CORE}/namespaces", {"metadata": metadata})
        assert answer.status in (201, 409), answer.message
    return api_server


@pytest.mark.parametrize(
    "values", [{}, EVERYTHING, LISTED], ids=["defaults", "everything", "listed"]
)
def test_the_api_server_accepts_every_object(
    values: dict[str, Any], chart: Any, server: Any
) -> None:
    for item in chart.render(values):
        prefix, plural = PATHS[item["kind"]]
        namespace = item["metadata"].get("namespace")
        within = f"/namespaces/{namespace}" if namespace else ""
        # An apply, because the CRD may exist already.
        answer = server.request(
            "PATCH",
            f"{prefix}{within}/{plural}/{item['metadata']['name']}"
            "?dryRun=All&fieldValidation=Strict&fieldManager=chart&force=true",
            item,
            "application/apply-patch+yaml",
        )
        assert answer.status in (200, 201), f"{item['kind']}: {answer.message}"


@pytest.mark.parametrize("profile", ["", "RuntimeDefault"])
def test_the_pod_complies_with_the_restricted_security_standard(
    profile: str, chart: Any, server: Any
) -> None:
    rendered = chart.render({"appArmorProfile": profile})
    accounts = f"{CORE}/namespaces/chart-restricted/serviceaccounts"
    account = {"metadata": {"name": rendered.pod["spec"]["serviceAccountName"]}}
    assert server.request("POST", accounts, account).status in (201, 409)
    pods = f"{CORE}/namespaces/chart-restricted/pods?dryRun=All&fieldValidation=Strict"
    pod = {**rendered.pod, "metadata": {**rendered.pod["metadata"], "name": "operator"}}
    answer = server.request("POST", pods, pod)
    assert answer.status == 201, answer.message
    if profile:
        other = copy.deepcopy(pod)
        key = "container.apparmor.security.beta.kubernetes.io/operator"
        other["metadata"]["annotations"][key] = "localhost/other"
        refused = server.request("POST", pods, other)
        assert refused.status == 422
        assert "apparmor type in annotation and field must match" in refused.message
    unrestricted = copy.deepcopy(pod)
    del unrestricted["spec"]["containers"][0]["securityContext"]
    rejected = server.request("POST", pods, unrestricted)
    assert rejected.status == 403
    assert 'violates PodSecurity "restricted' in rejected.message
