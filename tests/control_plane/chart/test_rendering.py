"""The rendered objects: images, configuration, the CRD, and the objects of optional values."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from isheep.api.generation.crd import crd, crd_yaml
from isheep.kube import names
from isheep.kube.config import load_config

ROOT = Path(__file__).resolve().parents[3]
BINARIES = ROOT / "tests" / "control_plane" / "binaries"
DIGEST = f"sha256:{'a' * 64}"
S3 = {
    "bucket": "one-bucket",
    "prefix": "a/b",
    "endpoint": "https://s3.example.com",
    "region": "eu-central-1",
    "addressing": "Path",
    "secretRef": {"name": "s3"},
}


def test_helm_lint_finds_no_problem(chart: Any) -> None:
    done = chart.run("lint", "--strict", str(chart.path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_has_the_versions_of_the_project(chart: Any) -> None:
    metadata = yaml.safe_load((chart.path / "Chart.yaml").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert metadata["version"] == metadata["appVersion"] == project["version"]


def test_the_chart_states_the_versions_of_kubernetes_with_which_the_tests_run(chart: Any) -> None:
    pins = [path.read_text("utf-8") for path in sorted(BINARIES.glob("kubernetes*/go.mod"))]
    found = [re.search(r"require k8s\.io/kubernetes v(\S+)", pin) for pin in pins]
    versions = sorted(
        (match[1] for match in found if match), key=lambda v: tuple(map(int, v.split(".")))
    )
    assert len(versions) == len(pins) > 1
    oldest, newest = versions[0], versions[-1]
    metadata = yaml.safe_load((chart.path / "Chart.yaml").read_text("utf-8"))
    assert metadata["kubeVersion"] == f">={oldest.rpartition('.')[0]}.0-0"
    said = f"`make test` runs with {newest}, and `make test-long` also runs the tests of the "
    for page in (chart.path / "README.md", ROOT / "docs" / "how-to" / "install.md"):
        text = " ".join(page.read_text("utf-8").split())
        assert f"{said}control plane with {oldest}" in text, page


def test_a_kubernetes_version_below_1_33_is_refused(chart: Any) -> None:
    done = chart.template({}, "--kube-version", "1.32.9")
    assert "incompatible with Kubernetes v1.32.9" in done.stderr
    assert chart.render({}, "--kube-version", "v1.33.1-gke.100").one("Deployment")


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "NAME:0.1.0"),
        ({"tag": "1.2"}, "NAME:1.2"),
        ({"digest": DIGEST}, f"NAME@{DIGEST}"),
        ({"tag": "1.2", "digest": DIGEST}, f"NAME:1.2@{DIGEST}"),
        ({"repository": "registry.example.com:5000/a/b"}, "registry.example.com:5000/a/b:0.1.0"),
    ],
)
def test_an_image_is_named_by_its_tag_or_digest(
    image: dict[str, str], reference: str, chart: Any
) -> None:
    rendered = chart.render({"image": image, "workerImage": image})
    container = rendered.pod["spec"]["containers"][0]
    assert container["image"] == reference.replace("NAME", "isheep-operator")
    config = yaml.safe_load(rendered.config)
    assert config["workerImage"] == reference.replace("NAME", "isheep-worker")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {
            "workerImage": {"digest": DIGEST, "pullPolicy": "Never"},
            "appArmorProfile": "RuntimeDefault",
            "watchNamespaces": ["team-a", "team-b"],
            "defaultStorage": {"s3": S3},
            "modelMirrors": {"hf://": "s3://models/hub", "hf://org/name": "/models/'\"x"},
            "prices": {"currency": "EUR", "perHour": {"nvidia.com/gpu": 2.5, "amd.com/gpu": 2}},
            "limits": {"runsPerNamespace": 3},
            "ttl": {"enabled": True},
        },
    ],
)
def test_the_operator_can_read_the_rendered_configuration(
    values: dict[str, Any], chart: Any, tmp_path: Path
) -> None:
    rendered = chart.render(values)
    path = tmp_path / "operator.yaml"
    path.write_text(rendered.config, encoding="utf-8")
    config = load_config(path)
    assert config.watch_namespaces == tuple(values.get("watchNamespaces", ()))
    assert config.model_mirrors == values.get("modelMirrors", {})
    assert config.app_armor_profile == values.get("appArmorProfile")
    prices = None if config.prices is None else config.prices.document()
    assert prices == values.get("prices")
    assert config.limits.runs_per_namespace == values.get("limits", {}).get("runsPerNamespace")
    assert config.ttl.enabled is values.get("ttl", {}).get("enabled", False)
    storage = config.default_storage
    shown = storage.model_dump(by_alias=True, exclude_none=True) if storage is not None else {}
    assert shown == values.get("defaultStorage", {})
    container = rendered.pod["spec"]["containers"][0]
    assert [port["containerPort"] for port in container["ports"]] == [config.http_port]
    assert config.lease.namespace is None
    assert config.lease.name == "isheep-operator"


def test_a_changed_configuration_restarts_the_operator(chart: Any) -> None:
    def checksum(values: dict[str, Any]) -> Any:
        return chart.render(values).pod["metadata"]["annotations"]["checksum/config"]

    assert checksum({}) == checksum({"podLabels": {"a": "b"}})
    assert checksum({}) != checksum({"workerImage": {"tag": "2"}})


def test_the_chart_has_the_generated_crd_and_keeps_it_at_uninstall(chart: Any) -> None:
    assert (chart.path / "files" / "crd.yaml").read_text("utf-8") == crd_yaml()
    rendered = chart.render().one("CustomResourceDefinition")
    assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered == crd()


def test_the_crd_can_be_deleted_with_the_release_or_left_out(chart: Any) -> None:
    rendered = chart.render({"crds": {"keep": False}}).one("CustomResourceDefinition")
    assert rendered == crd()
    assert not chart.render({"crds": {"enabled": False}}).all("CustomResourceDefinition")


def test_every_namespaced_object_has_its_namespace(chart: Any) -> None:
    """Tools that render and apply (Argo CD, kubectl) do not use the namespace of a release."""
    for item in chart.render({"networkPolicy": {"enabled": True}}):
        cluster_wide = item["kind"].startswith(("Cluster", "Custom", "Validating"))
        assert ("namespace" in item["metadata"]) is not cluster_wide, item["kind"]


def test_without_run_as_user_the_platform_chooses_the_user(chart: Any) -> None:
    context = chart.render({"runAsUser": None}).pod["spec"]["securityContext"]
    assert context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.mark.parametrize("replicas", [1, 2])
def test_an_upgrade_stops_the_old_operators_first(replicas: int, chart: Any) -> None:
    spec = chart.render({"replicas": replicas}).one("Deployment")["spec"]
    assert spec["replicas"] == replicas
    assert spec["strategy"] == {"type": "Recreate"}


def test_several_operators_prefer_different_nodes_and_have_a_disruption_budget(chart: Any) -> None:
    single = chart.render()
    assert not single.all("PodDisruptionBudget")
    assert "affinity" not in single.pod["spec"]
    rendered = chart.render({"replicas": 2})
    labels = rendered.pod["metadata"]["labels"]
    budget = rendered.one("PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    (preferred,) = rendered.pod["spec"]["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    term = preferred["podAffinityTerm"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"].items() <= labels.items()


def test_the_values_of_the_affinity_are_kept(chart: Any) -> None:
    nodes = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"x": []}}}
    affinity = chart.render({"replicas": 2, "affinity": nodes}).pod["spec"]["affinity"]
    assert affinity.keys() == {"nodeAffinity", "podAntiAffinity"}
    own = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    assert chart.render({"replicas": 2, "affinity": own}).pod["spec"]["affinity"] == own


def test_the_service_monitor_is_optional(chart: Any) -> None:
    assert not chart.render().all("ServiceMonitor")
    monitor = {"enabled": True, "interval": "1m", "labels": {"release": "prometheus"}}
    rendered = chart.render({"metrics": {"serviceMonitor": monitor}})
    found, service = rendered.one("ServiceMonitor"), rendered.one("Service")
    assert found["metadata"]["labels"]["release"] == "prometheus"
    assert found["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert found["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "1m"}]
    assert [port["name"] for port in service["spec"]["ports"]] == ["http"]


def test_the_network_policy_of_workers_is_in_each_namespace_with_runs(chart: Any) -> None:
    workers: dict[str, Any] = {"enabled": True}
    failed = chart.template({"networkPolicy": {"workers": workers}})
    assert "set networkPolicy.workers.namespaces" in failed.stderr
    rendered = chart.render({"networkPolicy": {"workers": workers}, "watchNamespaces": ["a", "b"]})
    policies = rendered.all("NetworkPolicy")
    assert [policy["metadata"]["namespace"] for policy in policies] == ["a", "b"]
    spec = policies[0]["spec"]
    is_worker = [{"key": names.RUN_UID_LABEL, "operator": "Exists"}]
    assert spec["podSelector"] == {"matchExpressions": is_worker}
    assert spec["policyTypes"] == ["Ingress"]
    from_operator, from_peers = spec["ingress"]
    (operator,) = from_operator["from"]
    labels = rendered.pod["metadata"]["labels"]
    assert operator["podSelector"]["matchLabels"].items() <= labels.items()
    release = {"kubernetes.io/metadata.name": "isheep-system"}
    assert operator["namespaceSelector"]["matchLabels"] == release
    assert from_operator["ports"] == [{"protocol": "TCP", "port": names.HTTP_PORT}]
    assert from_peers == {"from": [{"podSelector": {"matchExpressions": is_worker}}]}

    to_store = {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}
    scraper = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    workers |= {"namespaces": ["c"], "egress": [to_store], "scrapers": [scraper]}
    spec = chart.render({"networkPolicy": {"workers": workers}}).one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["egress"][-1] == to_store
    assert spec["ingress"][0]["from"][-1] == scraper


def test_the_network_policy_is_optional(chart: Any) -> None:
    assert not chart.render().all("NetworkPolicy")
    server = {"cidrs": ["192.0.2.1/32"], "ports": [6443]}
    rendered = chart.render({"networkPolicy": {"enabled": True, "apiServer": server}})
    spec = rendered.one("NetworkPolicy")["spec"]
    labels = rendered.pod["metadata"]["labels"]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]
    to_server, to_names, to_workers = spec["egress"]
    assert to_server["to"] == [{"ipBlock": {"cidr": "192.0.2.1/32"}}]
    assert [port["port"] for port in to_names["ports"]] == [53, 53]
    assert to_workers["ports"] == [{"protocol": "TCP", "port": names.HTTP_PORT}]
    (selected,) = to_workers["to"]
    assert selected["podSelector"]["matchExpressions"] == [
        {"key": names.RUN_UID_LABEL, "operator": "Exists"}
    ]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://collector.monitoring:4318", 4318),
        ("https://traces.example.com/otlp/v1/traces", 443),
        ("http://[fd00::7]:14318", 14318),
        ("http://collector", 80),
    ],
)
def test_the_operator_sends_traces_if_a_collector_is_named(
    endpoint: str, port: int, chart: Any, tmp_path: Path
) -> None:
    assert "tracing" not in yaml.safe_load(chart.render().config)
    values = {"tracing": {"endpoint": endpoint}, "networkPolicy": {"enabled": True}}
    rendered = chart.render(values)
    path = tmp_path / "operator.yaml"
    path.write_text(rendered.config)
    tracing = load_config(path).tracing
    assert tracing is not None
    assert tracing.endpoint == endpoint
    to_collector = rendered.one("NetworkPolicy")["spec"]["egress"][-2]
    assert to_collector == {"ports": [{"protocol": "TCP", "port": port}]}
