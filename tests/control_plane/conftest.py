"""A real API server for tests: etcd and kube-apiserver on loopback, nothing else.

Each pytest process that needs one starts its own in about five seconds, in a folder
of its own and on free ports, and stops it by pid at the end. `xdist_group` keeps these
tests in one process where pytest-xdist runs with `--dist loadgroup`.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RUNS = "/apis/isheep.dev/v1alpha1/namespaces/default/selfalignmentruns"
START_SECONDS = 120
BUILD_SECONDS = 1500


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("control-plane"))
            # The first test of a machine waits until etcd and kube-apiserver are built.
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS))


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: Any

    @property
    def message(self) -> str:
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else str(self.body)


@dataclass(frozen=True)
class ApiServer:
    """A running API server, spoken to as a member of system:masters."""

    port: int
    token: str
    certificate: Path

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Answer:
        """Send a request; text is sent as it is, anything else as JSON."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        # The server makes its certificate itself, for a name that is not the loopback's.
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        return Answer(response.status, json.loads(text) if text.startswith("{") else text)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An empty API server."""
    binaries = _binaries()
    folder = tmp_path_factory.mktemp("control-plane")
    processes: list[subprocess.Popen[bytes]] = []
    try:
        etcd_port = _start_etcd(binaries, folder, processes)
        server = _start_api_server(binaries, folder, etcd_port, processes)
        _wait_until_ready(server, folder, processes)
        yield server
    finally:
        for process in reversed(processes):
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _binaries() -> Path:
    build = [sys.executable, str(HERE / "binaries" / "build.py")]
    built = subprocess.run(build, capture_output=True, check=False)
    if built.returncode != 0:
        pytest.fail(built.stderr.decode()[-4000:])
    return Path(built.stdout.decode().strip())


def _start_etcd(binaries: Path, folder: Path, processes: list[subprocess.Popen[bytes]]) -> int:
    port = _free_port()
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{_free_port()}"
    command = [
        str(binaries / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=error",
    ]
    with (folder / "etcd.log").open("wb") as log:
        processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    return port


def _start_api_server(
    binaries: Path, folder: Path, etcd_port: int, processes: list[subprocess.Popen[bytes]]
) -> ApiServer:
    port, token = _free_port(), secrets.token_hex(16)
    key, tokens, certificates = folder / "sa.key", folder / "tokens.csv", folder / "certificates"
    key.write_bytes(_signing_key())
    tokens.write_text(f'{token},test,test,"system:masters"\n')
    command = [
        str(binaries / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={certificates}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=192.0.2.0/24",
        # No endpoints are published, so any address that is not loopback will do.
        "--advertise-address=198.51.100.1",
        "--endpoint-reconciler-type=none",
        "--disable-admission-plugins=ServiceAccount",
    ]
    with (folder / "kube-apiserver.log").open("wb") as log:
        processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    return ApiServer(port, token, certificates / "apiserver.crt")


def _wait_until_ready(
    server: ApiServer, folder: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and all(p.poll() is None for p in processes):
        try:
            if server.request("GET", "/readyz").status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass  # not listening yet, or the certificate is not written yet
        time.sleep(0.1)
    logs = "\n".join(
        f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}"
        for path in sorted(folder.glob("*.log"))
    )
    pytest.fail(f"the API server did not become ready\n{logs}")


def _signing_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def crd_server(api_server: ApiServer) -> ApiServer:
    """An API server that serves SelfAlignmentRun."""
    from isheep.api.crd import crd

    created = api_server.request("POST", CRDS, crd())
    assert created.status == 201, created.message
    deadline = time.monotonic() + START_SECONDS
    while api_server.request("GET", RUNS).status != 200:
        assert time.monotonic() < deadline, "the CRD is not served"
        time.sleep(0.05)
    return api_server
