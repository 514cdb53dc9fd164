"""The real Kueue: its CRDs, its webhooks and its manager, against the tests' API server.

Kueue expects to run in a pod. Two parts of its installation differ here. The API server calls the
webhooks at a port of this machine instead of a Service. And Kueue's certificate is created here,
because it must be valid for this machine's address too; Kueue keeps a Secret that is valid for the
name of its Service, and writes the certificate authority into the webhooks and the CRDs.

Only the webhooks of Jobs and of Kueue's own objects are installed. No other kinds of jobs exist.
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from .api import MERGE_PATCH, ApiServer
from .ports import free_port
from .servers import BUILD, CRDS, START_SECONDS, Program, Servers
from .waiting import until

NAMESPACE = "kueue-system"
SERVICE = "kueue-webhook-service"
SECRET = "kueue-webhook-server-cert"
API = "/apis/kueue.x-k8s.io/v1beta2"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
GROUPS = ("batch", "kueue.x-k8s.io")
"""The API groups whose webhooks are installed."""
DAYS = 3650


@functools.cache
def kueue_files() -> Path:
    """Return the folder of Kueue's manager and of its manifests, which are built first."""
    built = subprocess.run([sys.executable, str(BUILD), "kueue"], capture_output=True, check=False)
    assert built.returncode == 0, built.stderr.decode()[-4000:]
    return Path(built.stdout.decode().strip().splitlines()[-1])


class Kueue:
    """A running Kueue that manages all Jobs, also those without the label of a queue."""

    def __init__(self, servers: Servers, server: ApiServer) -> None:
        self._servers = servers
        self._server = server
        self._port = free_port()
        self._health = free_port()
        self._folder = servers.folder / "kueue"

    def start(self) -> Kueue:
        """Install the CRDs and the webhooks, and start the manager."""
        self._folder.mkdir()
        certificates = _certificates(f"{SERVICE}.{NAMESPACE}.svc")
        for name in ("tls.crt", "tls.key"):
            (self._folder / name).write_bytes(certificates[name])
        authority = base64.b64encode(certificates["ca.crt"]).decode()
        self._server.must("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        data = {name: base64.b64encode(value).decode() for name, value in certificates.items()}
        secret = {"metadata": {"name": SECRET}, "data": data}
        self._server.must("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)
        components = kueue_files() / "config" / "components"
        converted = _converted(components / "crd" / "kustomization.yaml")
        for path in sorted((components / "crd" / "bases").glob("*.yaml")):
            self._server.must("POST", CRDS, self._crd(path, converted, authority))
        configurations = self._webhooks(components / "webhook" / "manifests.yaml", authority)
        for configuration in configurations:
            self._server.must("POST", _webhooks_path(configuration["kind"]), configuration)
        self._start_manager()
        return self

    def create(self, plural: str, document: dict[str, Any], namespace: str | None = None) -> None:
        """Create one of Kueue's objects; its webhook answers as soon as the manager serves."""
        scope = f"/namespaces/{namespace}" if namespace else ""
        path = f"{API}{scope}/{plural}"
        answers: list[str] = []

        def created() -> bool:
            answer = self._server.request("POST", path, document)
            answers.append(answer.message)
            return answer.status == 201

        until(created, START_SECONDS, otherwise=lambda: answers[-1])

    def change(self, plural: str, namespace: str, name: str, patch: dict[str, Any]) -> None:
        """Merge a patch into one of Kueue's objects."""
        path = f"{API}/namespaces/{namespace}/{plural}/{name}"
        self._server.must("PATCH", path, patch, content_type=MERGE_PATCH)

    def listed(self, plural: str, namespace: str) -> list[dict[str, Any]]:
        """Return all of Kueue's objects of a kind in a namespace."""
        items: list[dict[str, Any]] = self._server.get(f"{API}/namespaces/{namespace}/{plural}")[
            "items"
        ]
        return items

    def _start_manager(self) -> None:
        configuration = {
            "apiVersion": "config.kueue.x-k8s.io/v1beta2",
            "kind": "Configuration",
            "health": {"healthProbeBindAddress": f"127.0.0.1:{self._health}"},
            "metrics": {"bindAddress": "0"},
            "webhook": {"host": "127.0.0.1", "port": self._port, "certDir": str(self._folder)},
            "leaderElection": {"leaderElect": False},
            "clientConnection": {"qps": 1000, "burst": 2000},
            "manageJobsWithoutQueueName": True,
            "integrations": {"frameworks": ["batch/job"]},
            "featureGates": {"VisibilityOnDemand": False},
        }
        file = self._folder / "kueue.yaml"
        file.write_text(json.dumps(configuration))
        kubeconfig = self._servers.folder / "kubeconfig"
        command = [str(kueue_files() / "kueue"), f"--config={file}", f"--kubeconfig={kubeconfig}"]
        program = Program(command, self._servers.folder / "kueue.log")
        self._servers.programs["kueue"] = program
        program.start()

    def _crd(self, path: Path, converted: set[str], authority: str) -> dict[str, Any]:
        crd: dict[str, Any] = yaml.safe_load(path.read_text())
        if crd["spec"]["names"]["plural"] in converted:
            crd["spec"]["conversion"] = {
                "strategy": "Webhook",
                "webhook": {
                    "clientConfig": self._client("/convert", authority),
                    "conversionReviewVersions": ["v1"],
                },
            }
        return crd

    def _webhooks(self, path: Path, authority: str) -> list[dict[str, Any]]:
        configurations = [d for d in yaml.safe_load_all(path.read_text()) if d]
        for configuration in configurations:
            configuration["metadata"]["name"] = f"kueue-{configuration['metadata']['name']}"
            configuration["webhooks"] = [
                hook
                for hook in configuration["webhooks"]
                if all(group in GROUPS for rule in hook["rules"] for group in rule["apiGroups"])
            ]
            for hook in configuration["webhooks"]:
                place = hook["clientConfig"]["service"]["path"]
                hook["clientConfig"] = self._client(place, authority)
        return configurations

    def _client(self, path: str, authority: str) -> dict[str, Any]:
        return {"url": f"https://127.0.0.1:{self._port}{path}", "caBundle": authority}


def _converted(kustomization: Path) -> set[str]:
    """Return the kinds, in plural, whose versions a webhook converts."""
    patches = yaml.safe_load(kustomization.read_text())["patches"]
    names = (Path(patch["path"]).stem for patch in patches)
    return {name.removeprefix("webhook_in_") for name in names}


def _webhooks_path(kind: str) -> str:
    return f"{WEBHOOKS}/{kind.lower()}s"


def _certificates(name: str) -> dict[str, bytes]:
    """Return a certificate authority, and a certificate for a name and for this machine."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def key() -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)

    def certificate(subject: str, public: rsa.RSAPublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named("kueue-ca"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=DAYS))
        )

    authority_key, own_key = key(), key()
    authority = (
        certificate("kueue-ca", authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        # Kueue checks that the authority is valid for its own name.
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kueue-ca")]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    own = (
        certificate(name, own_key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )

    def pem(private: rsa.RSAPrivateKey) -> bytes:
        return private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )

    encoding = serialization.Encoding.PEM
    return {
        "ca.crt": authority.public_bytes(encoding),
        "ca.key": pem(authority_key),
        "tls.crt": own.public_bytes(encoding),
        "tls.key": pem(own_key),
    }
