"""A Kubernetes control plane on loopback: the real programs, each stopped by its pid.

Tests of the schema need only etcd and kube-apiserver. kube-controller-manager and
kube-scheduler create the pods of Jobs, bind pods to nodes, delete the dependents of deleted
owners, enforce quotas and delete namespaces. Only the programs of nodes are missing;
`kubelet` replaces them. The configuration is that of a usual cluster (with RBAC and the
ServiceAccount admission), except for three settings: no leader election, no rate limits
for clients, and less frequent garbage collection, which took a fifth of the API server's
CPU time.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .api import ApiServer
from .ports import free_port
from .waiting import until

START_SECONDS = 600
GO_ENVIRONMENT = {"GOGC": "400"}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BUILD = Path(__file__).resolve().parent.parent / "binaries" / "build.py"
CONTROLLERS = (
    "job-controller",
    "serviceaccount-controller",
    "namespace-controller",
    "garbage-collector-controller",
    "resourcequota-controller",
    "resourceclaim-controller",
)


@functools.cache
def binaries() -> Path:
    """Return the folder of the programs, which are built first if they are missing."""
    built = subprocess.run([sys.executable, str(BUILD)], capture_output=True, check=False)
    assert built.returncode == 0, built.stderr.decode()[-4000:]
    return Path(built.stdout.decode().strip().splitlines()[-1])


@dataclass
class Program:
    """One process with a log, which can be stopped and started again."""

    command: list[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: GO_ENVIRONMENT)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env={**os.environ, **self.environment}
            )

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Servers:
    """The programs of one control plane, with their own folder and free ports."""

    folder: Path
    programs: dict[str, Program] = field(default_factory=dict)
    etcd_options: tuple[str, ...] = ()
    api_server_options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: GO_ENVIRONMENT)

    def start_api_server(self) -> ApiServer:
        """Start etcd and kube-apiserver, and wait until they serve requests."""
        found = binaries()
        etcd_port = self._start_etcd(found)
        port, token = free_port(), secrets.token_hex(16)
        certificates = self.folder / "certificates"
        command = _api_server_command(found, self.folder, etcd_port, port, token, certificates)
        self._start("kube-apiserver", [*command, *self.api_server_options])
        server = ApiServer(port, token, certificates / "apiserver.crt", etcd_port)
        self._wait_for(server)
        return server

    def restart_api_server(self, server: ApiServer) -> None:
        """Restart the API server, which empties its cache of old revisions."""
        program = self.programs["kube-apiserver"]
        program.stop()
        program.start()
        self._wait_for(server)

    def start_controllers(self, server: ApiServer, *arguments: str) -> None:
        """Start kube-controller-manager and kube-scheduler after the CRD is served.

        The garbage collector reads the served kinds at its start, and then only twice a
        minute. The arguments are those of kube-controller-manager; of two equal ones, the last
        one counts.
        """
        found = binaries()
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(admin_kubeconfig(server)))
        command = [*_controller_manager_command(found, kubeconfig), *arguments]
        self._start("kube-controller-manager", command)
        configuration = self.folder / "scheduler.json"
        configuration.write_text(json.dumps(_scheduler_configuration(kubeconfig)))
        scheduler = [str(found / "kube-scheduler"), f"--config={configuration}", "--secure-port=0"]
        self._start("kube-scheduler", scheduler)

    def stop(self) -> None:
        for program in reversed(self.programs.values()):
            program.stop()

    def logs(self) -> str:
        return "\n".join(
            f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def check(self) -> None:
        """Fail if a program has ended."""
        dead = [name for name, program in self.programs.items() if not program.is_alive()]
        assert not dead, f"{', '.join(dead)} ended\n{self.logs()}"

    def _start(self, name: str, command: list[str]) -> None:
        self.programs[name] = Program(command, self.folder / f"{name}.log", self.environment)
        self.programs[name].start()

    def _start_etcd(self, found: Path) -> int:
        port = free_port()
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        command = [
            str(found / "etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
            *self.etcd_options,
        ]
        self._start("etcd", command)
        return port

    def _wait_for(self, server: ApiServer) -> None:
        def ready() -> bool:
            self.check()
            try:
                return server.request("GET", "/readyz").status == 200
            except (OSError, http.client.HTTPException):
                return (
                    False  # the server does not listen yet, or has not written its certificate yet
                )

        until(ready, START_SECONDS, otherwise=self.logs)


def serve_crd(server: ApiServer) -> None:
    """Create the CRD, and wait until the API server serves SelfAlignmentRun."""
    from isheep.api.generation.crd import crd

    server.must("POST", CRDS, crd())
    runs = "/apis/isheep.dev/v1alpha1/namespaces/default/selfalignmentruns"
    until(
        lambda: server.request("GET", runs).status == 200,
        START_SECONDS,
        otherwise="the CRD is not served",
    )


def admin_kubeconfig(server: ApiServer) -> dict[str, Any]:
    """Return a kubeconfig for a member of system:masters."""
    return kubeconfig_with(server, server.token)


def kubeconfig_with(server: ApiServer, token: str) -> dict[str, Any]:
    """Return a kubeconfig for the user of a token."""
    cluster = {
        "server": server.url,
        "certificate-authority": str(server.certificate),
        "tls-server-name": "kubernetes.default.svc",
    }
    return kubeconfig_of(cluster, {"token": token})


def kubeconfig_of(cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }


def _api_server_command(
    found: Path, folder: Path, etcd_port: int, port: int, token: str, certificates: Path
) -> list[str]:
    key, tokens = folder / "sa.key", folder / "tokens.csv"
    key.write_bytes(_signing_key())
    tokens.write_text(f'{token},test,test,"system:masters"\n')
    return [
        str(found / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        # Only tests compact, so that they control which revisions are lost.
        "--etcd-compaction-interval=0",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={certificates}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=192.0.2.0/24",
        # No endpoints are published, so any address except loopback is valid.
        "--advertise-address=198.51.100.1",
        "--endpoint-reconciler-type=none",
    ]


def _controller_manager_command(found: Path, kubeconfig: Path) -> list[str]:
    return [
        str(found / "kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=2000",
        "--kube-api-burst=4000",
        "--concurrent-job-syncs=20",
        "--concurrent-gc-syncs=20",
        "--resource-quota-sync-period=2s",
    ]


def _scheduler_configuration(kubeconfig: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 2000, "burst": 4000},
        "leaderElection": {"leaderElect": False},
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 2,
    }


def _signing_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
