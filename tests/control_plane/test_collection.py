"""`isheep gc --cluster` with a real API server and a real S3, with the rights of its CronJob."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiClient
from kubernetes.config import incluster_config

from isheep.cluster.client import Cluster
from isheep.cluster.errors import ForbiddenError
from isheep.contract.order import RunRef
from isheep.store.artifacts import ArtifactStore
from isheep.store.documents import RunDocuments
from isheep.store.interface import ObjectStore
from isheep.store.manifest import Manifest, StageInfo, Timings
from isheep.store.s3 import S3Store

from ..store import conftest as store_fixtures
from ..unit.isheep.planner.simulation import START
from .harness.api import ApiServer
from .harness.servers import kubeconfig_with
from .test_crd import MERGE_PATCH, run_document

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "hack/gc/cronjob.yaml"
ISHEEP = Path(sys.executable).with_name("isheep")
PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
}
seaweedfs = store_fixtures.seaweedfs


def key(letter: str) -> str:
    return letter * 64


class Tenant:
    """A namespace with the objects of the manifest, and its part of a store."""

    def __init__(self, server: ApiServer, store: S3Store, folder: Path) -> None:
        self.server, self.store, self.folder = server, store, folder
        self.name = f"gc-{secrets.token_hex(4)}"
        server.must("POST", "/api/v1/namespaces", {"metadata": {"name": self.name}})
        text = MANIFEST.read_text("utf-8").replace("team-a", self.name)
        self.documents = list(yaml.safe_load_all(text))
        for document in self.documents:
            server.must("POST", PATHS[document["kind"]].format(self.name), document)

    def create(self, name: str, phase: str = "Succeeded") -> str:
        """Create a run that has ended, and return its UID."""
        runs = f"/apis/isheep.dev/v1alpha1/namespaces/{self.name}/selfalignmentruns"
        run = self.server.must("POST", runs, run_document(name))
        status = {"phase": phase, "observedGeneration": 1}
        path = f"{runs}/{name}/status"
        self.server.must("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
        return str(run["metadata"]["uid"])

    def delete(self, name: str) -> None:
        runs = f"/apis/isheep.dev/v1alpha1/namespaces/{self.name}/selfalignmentruns"
        self.server.must("DELETE", f"{runs}/{name}")

    def use(self, name: str, uid: str, letters: str, cluster: str = "lease-1") -> None:
        """Write stages, and the references of a run to them."""
        run = RunRef(namespace=self.name, name=name, uid=uid, cluster=cluster)
        for letter in letters:
            commit(self.store, self.name, letter)
            RunDocuments(self.store, run).add_ref(key(letter))
        RunDocuments(self.store, run).write_stages({f"s/{one}": key(one) for one in letters})

    def token(self, account: str = "isheep-gc") -> str:
        path = f"{PATHS['ServiceAccount'].format(self.name)}/{account}/token"
        answer = self.server.must("POST", path, {"spec": {"expirationSeconds": 3600}})
        return str(answer["status"]["token"])

    def collect(self, kubeconfig: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """Run the command of the CronJob, as its pod does."""
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps(kubeconfig))
        pod = self.documents[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        store = f"--store={self.store.uri}"
        given = [store if one.startswith("--store=") else one for one in container["args"]]
        given = ["--older-than=0s" if one.startswith("--older-than") else one for one in given]
        given = [one.replace("$(NAMESPACE)", self.name) for one in given]
        environment = {
            **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
            "KUBECONFIG": str(path),
            "AWS_ENDPOINT_URL": self.store._client.meta.endpoint_url,
            "AWS_REGION": "us-east-1",
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        return subprocess.run(
            [str(ISHEEP), *given], env=environment, capture_output=True, text=True, check=False
        )

    def stages(self) -> str:
        names = (info.key.split("/") for info in self.store.list(f"{self.name}/stages/"))
        return "".join(sorted({name[2][0] for name in names}))


def commit(store: ObjectStore, namespace: str, letter: str) -> None:
    artifacts = ArtifactStore(store, namespace)
    if store.head(f"{namespace}/stages/{key(letter)}/manifest.json") is not None:
        return
    artifacts.write_part(key(letter), 0, [b"{}"])
    manifest = Manifest(
        key=key(letter),
        stage=StageInfo(kind="respond", version=1, id="i1/respond", iteration=1),
        parts=tuple(artifacts.collect_parts(key(letter), 1)),
        timings=Timings(started_at=START, finished_at=START),
        run=RunRef(namespace=namespace, name="maker", uid="maker"),
    )
    artifacts.commit(key(letter), manifest)


@pytest.fixture
def tenant(
    crd_server: ApiServer, seaweedfs: store_fixtures.SeaweedFS, tmp_path: Path
) -> Iterator[Tenant]:
    found = Tenant(crd_server, seaweedfs.store(), tmp_path)
    yield found
    crd_server.request("DELETE", f"/api/v1/namespaces/{found.name}")


def test_the_cron_job_deletes_what_runs_of_its_cluster_left(tenant: Tenant) -> None:
    kubeconfig = kubeconfig_with(tenant.server, tenant.token())
    tenant.use("here", tenant.create("here"), "ab")
    tenant.use("gone", tenant.create("gone"), "bc")
    assert tenant.collect(kubeconfig).returncode == 0
    assert tenant.stages() == "abc"
    tenant.delete("gone")
    # Without rights, without an API server, and from another cluster's list nothing is deleted.
    refused = tenant.collect(kubeconfig_with(tenant.server, "no-token"))
    assert refused.returncode != 0
    away = kubeconfig_with(tenant.server, tenant.token())
    away["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    assert tenant.collect(away).returncode != 0
    assert tenant.stages() == "abc"
    tenant.use("far", "uid-far", "d", cluster="lease-2")
    done = tenant.collect(kubeconfig)
    assert done.returncode == 0, done.stderr
    assert "only stages of deleted runs are deleted, because the status of far" in done.stdout
    assert tenant.stages() == "abd"


def test_a_pod_lists_the_runs_with_its_service_account(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = tenant.create("here")
    assert Cluster.of_pod(tenant.name) is None
    token = tenant.folder / "token"
    token.write_text(tenant.token())
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tenant.server.certificate))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(tenant.server.port))
    found = Cluster.of_pod(tenant.name)
    assert found is not None
    # The certificate of this API server is for its name in a cluster.
    found.client.configuration.tls_server_name = "kubernetes.default.svc"
    found = replace(found, client=ApiClient(found.client.configuration))
    assert [run["metadata"]["uid"] for run in found.runs()] == [uid]
    with pytest.raises(ForbiddenError):
        found.get("here")


def test_the_service_account_may_list_the_runs_of_its_namespace_and_nothing_else(
    tenant: Tenant,
) -> None:
    accounts = PATHS["ServiceAccount"].format(tenant.name)
    tenant.server.must("POST", accounts, {"metadata": {"name": "without-rights"}})
    granted = [
        one for one in rules(tenant, "isheep-gc") if one not in rules(tenant, "without-rights")
    ]
    assert granted == [(["isheep.dev"], ["selfalignmentruns"], ["list"])]


def rules(tenant: Tenant, account: str) -> list[tuple[list[str], list[str], list[str]]]:
    """Return groups, resources and verbs that a service account may use in its namespace."""
    body = {"spec": {"namespace": tenant.name}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    answer = tenant.server.request("POST", path, body, token=tenant.token(account))
    assert answer.status == 201, answer.message
    found = answer.body["status"]["resourceRules"]
    return [(rule["apiGroups"], rule["resources"], rule["verbs"]) for rule in found]
