"""GPUs by dynamic resource allocation: the real scheduler and claim controller serve a run's pods.

A driver would publish the devices of its node in a ResourceSlice and prepare them for the pod. This
test publishes the slice, and the harness's kubelet starts the pod without devices.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ..docs.blocks import blocks
from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import Hold
from .harness.runs import Run

DRIVER = "gpu.nvidia.com"
NODE = "node-2"
API = "/apis/resource.k8s.io/v1"
GUIDE = "docs/how-to/use-gpus.md"
ROOT = Path(__file__).resolve().parents[2]


def page_objects() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the template of the page, and the part of the spec that names it."""
    found = [yaml.safe_load(block.text) for block in blocks(ROOT / GUIDE, GUIDE)]
    (template,) = (one for one in found if one.get("kind") == "ResourceClaimTemplate")
    spec = found[found.index(template) + 1]["spec"]
    return template, spec


def publish_devices(namespace: NamespaceFixture, count: int) -> None:
    """Create what the driver of the page creates: its class, and the devices of a node."""
    expression = f"device.driver == '{DRIVER}'"
    selectors = [{"cel": {"expression": expression}}]
    document = {"metadata": {"name": DRIVER}, "spec": {"selectors": selectors}}
    namespace.api.must("POST", f"{API}/deviceclasses", document)
    devices = [
        {"name": f"gpu-{number}", "capacity": {"memory": {"value": "80Gi"}}}
        for number in range(count)
    ]
    pool = {"name": NODE, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": DRIVER, "nodeName": NODE, "pool": pool, "devices": devices}
    document = {"metadata": {"name": f"{NODE}-gpus"}, "spec": spec}
    namespace.api.must("POST", f"{API}/resourceslices", document)


def test_the_pods_of_a_pool_get_the_devices_of_its_claims(namespace: NamespaceFixture) -> None:
    if namespace.api.request("GET", API).status == 404:
        pytest.skip("this Kubernetes has no resource.k8s.io/v1, which is 1.34 and newer")
    template, spec = page_objects()
    run = Run().spec(**spec).skip_to("i1/train")
    claims = f"{API}/namespaces/{namespace.name}/resourceclaims"
    namespace.workers.set_behaviour("train", Hold())
    publish_devices(namespace, 2)
    namespace.create(run)
    # The administrator has not created the template yet.
    namespace.until_reason("ResourceClaimNotCreated")
    assert "two-large-gpus" in namespace.message()
    assert namespace.phase() == "Stalled"
    namespace.api.must(
        "POST", f"{API}/namespaces/{namespace.name}/resourceclaimtemplates", template
    )
    job = namespace.until_running("i1/train")
    pod = job["spec"]["template"]["spec"]
    assert pod["resourceClaims"] == spec["compute"]["training"]["resourceClaims"]
    (container,) = pod["containers"]
    assert container["resources"]["claims"] == [{"name": "gpus"}]
    (claim,) = namespace.api.get(claims)["items"]
    results = claim["status"]["allocation"]["devices"]["results"]
    assert sorted(one["device"] for one in results) == ["gpu-0", "gpu-1"]
    # A second run gets none of the devices.
    namespace.create(run.named("second").spec(randomSeed=1))
    namespace.until_reason("Unschedulable", "second")
    assert (
        "cannot allocate all claims"
        in namespace.run("second")["status"]["conditions"][0]["message"]
    )
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")
    namespace.until_phase("Succeeded", "second")
    # A claim counts as one device with the name of its template.
    assert list(namespace.status()["gpu"]["seconds"]) == ["resource.k8s.io/two-large-gpus"]
