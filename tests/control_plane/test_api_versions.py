"""The path from v1alpha1 to a later version of the API, as decision 0027 describes it.

The later version exists in this test only: a CRD that serves both names with one schema, and an
operator whose constant `VERSION` is replaced. The test changes the CRD, so it has its own cluster.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isheep.api.generation.crd import crd

from .harness.api import MERGE_PATCH, ApiServer
from .harness.cluster import Cluster
from .harness.concurrent_tests import OperatorFactory
from .harness.namespace_fixture import NamespaceFixture
from .harness.operator_process import SHORT_WAITS
from .harness.pod_behaviour import Hold
from .harness.runs import Run
from .harness.servers import CRDS, Servers, serve_crd
from .harness.waiting import until

pytestmark = pytest.mark.long

OLD, NEW = "v1alpha1", "v1beta1"
CRD = f"{CRDS}/selfalignmentruns.isheep.dev"
LATER_OPERATOR = {"isheep.api.run:VERSION": NEW, **SHORT_WAITS}
FROM_TRAIN = Run().skip_to("i1/train")
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of its own, which serves the version of today."""
    servers = Servers(tmp_path)
    try:
        server = servers.start_api_server()
        serve_crd(server)
        cluster = Cluster.open(servers, server)
        yield cluster
        cluster.close()
    finally:
        servers.stop()


def with_versions(*, stored: str, old_is_served: bool = True) -> dict[str, Any]:
    """Return the CRD with both versions and one schema; no conversion is needed."""
    document = crd()
    (version,) = document["spec"]["versions"]
    document["spec"]["conversion"] = {"strategy": "None"}
    document["spec"]["versions"] = [
        {**copy.deepcopy(version), "name": name, "served": served, "storage": name == stored}
        for name, served in ((OLD, old_is_served), (NEW, True))
    ]
    return document


def replace_crd(server: ApiServer, document: dict[str, Any], *, serves: str) -> None:
    """Replace the CRD, and wait until a version is served."""
    current = server.get(CRD)["metadata"]["resourceVersion"]
    metadata = {**document["metadata"], "resourceVersion": current}
    server.must("PUT", CRD, {**document, "metadata": metadata})
    until(
        lambda: server.request("GET", f"/apis/isheep.dev/{serves}/selfalignmentruns").status == 200
    )


def path_of(namespace: NamespaceFixture, version: str, name: str = "") -> str:
    return namespace.runs_path(name).replace(OLD, version)


def stored_version(server: ApiServer, namespace: str, name: str) -> str:
    """Return the version in which etcd has a run."""
    key = f"/registry/isheep.dev/selfalignmentruns/{namespace}/{name}"
    version: str = json.loads(server.etcd_value(key))["apiVersion"].partition("/")[2]
    return version


def migrate(server: ApiServer, namespace: NamespaceFixture) -> None:
    """Write each run unchanged, so that etcd has it in the new version, and forget the old one."""
    for run in server.get(path_of(namespace, NEW))["items"]:
        path = path_of(namespace, NEW, run["metadata"]["name"])

        def written(path: str = path) -> bool:
            return server.request("PUT", path, server.get(path)).status == 200

        until(written)
    versions = {"status": {"storedVersions": [NEW]}}
    server.must("PATCH", f"{CRD}/status", versions, content_type=MERGE_PATCH)


def test_runs_keep_their_pinned_values_on_the_way_to_a_later_version(
    cluster: Cluster, tmp_path: Path
) -> None:
    server = cluster.server
    operators = OperatorFactory(cluster, tmp_path / "operators")
    environment, namespace = operators()
    passed = False
    try:
        environment.start()
        namespace.workers.set_behaviour("train", Hold(), run="working")
        namespace.create(FROM_TRAIN.named("finished"))
        namespace.until_phase("Succeeded", "finished")
        namespace.until(lambda: not namespace.jobs("finished"))
        namespace.create(FROM_TRAIN.named("working").spec(randomSeed=1))
        namespace.until_running("i1/train", "working")
        namespace.until_quiet()
        before = {name: namespace.run(name) for name in ("finished", "working")}

        # Step 1: both versions are served, the old one is stored. The operator of today goes on.
        replace_crd(server, with_versions(stored=OLD), serves=NEW)
        for name, run in before.items():
            read = server.get(path_of(namespace, NEW, name))
            assert read["apiVersion"] == f"isheep.dev/{NEW}"
            assert (read["spec"], read["status"]) == (run["spec"], run["status"])
        later = FROM_TRAIN.named("later").spec(randomSeed=2)
        namespace.workers.prefill(later.fields, "i1/train")
        document = {**later.document(), "apiVersion": f"isheep.dev/{NEW}"}
        server.must("POST", path_of(namespace, NEW), document)
        namespace.until_phase("Succeeded", "later")

        # Step 2: the new version is stored, and the later operator watches it.
        assert environment.operator.stop() == 0
        replace_crd(server, with_versions(stored=NEW), serves=NEW)
        environment.operator.patches = LATER_OPERATOR
        environment.operator.start()
        namespace.create(FROM_TRAIN.named("old-manifest").spec(randomSeed=3))
        namespace.until_phase("Succeeded", "old-manifest")
        assert stored_version(server, namespace.name, "old-manifest") == NEW
        assert stored_version(server, namespace.name, "finished") == OLD

        # Step 3: all runs are written again.
        migrate(server, namespace)
        assert stored_version(server, namespace.name, "finished") == NEW
        assert server.get(CRD)["status"]["storedVersions"] == [NEW]

        namespace.workers.let_work("train", run="working")
        namespace.until_phase("Succeeded", "working")
        for name in ("working", "later", "old-manifest", "finished"):
            assert namespace.started(name) == ORDER
        for name, run in before.items():
            pinned, kept = (r["status"]["resolved"] for r in (run, namespace.run(name)))
            assert {k: v for k, v in kept.items() if k != "prepared"} == {
                k: v for k, v in pinned.items() if k != "prepared"
            }
            assert namespace.status(name)["observedGeneration"] == 1
        # Jobs of both operators had owners of different versions, and none was lost.
        owners = {
            job["metadata"]["ownerReferences"][0]["apiVersion"]
            for job in namespace.jobs_created("working")
        }
        assert owners == {f"isheep.dev/{OLD}", f"isheep.dev/{NEW}"}
        operators.check()
        passed = True
    finally:
        operators.close(check=passed)
