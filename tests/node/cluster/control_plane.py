"""etcd, the API server, the controllers and the scheduler.

RBAC, node authorization and the admission plugins are those of a real cluster, so a pod has
the same rights here and there. A namespace can enforce the restricted Pod Security standard,
and service-account tokens are real.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from cluster import processes, settings
from cluster.certificates import Authority

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
START_SECONDS = 120


def start(binaries: Path, authority: Authority) -> None:
    """Start the control plane and wait until the API server is ready."""
    etcd = _start_etcd(binaries)
    signing_key = authority.signing_key()
    _start_api_server(binaries, authority, etcd, signing_key)
    processes.wait_for("the API server", NAMES[:2], lambda: _is_ready(authority), START_SECONDS)
    _start_controllers(binaries, authority, signing_key)
    _start_scheduler(binaries, authority)


def _start_etcd(binaries: Path) -> str:
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    processes.start(
        "etcd",
        [
            binaries / "etcd",
            f"--data-dir={settings.state() / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
    )
    return client


def _start_api_server(binaries: Path, authority: Authority, etcd: str, signing_key: Path) -> None:
    addresses = [settings.NODE_ADDRESS, settings.API_SERVICE_ADDRESS]
    addresses += ["kubernetes.default.svc", "kubernetes.default", "kubernetes"]
    serving = authority.pair("api-server", "kube-apiserver", addresses=addresses)
    kubelet = authority.pair("api-server-kubelet-client", "kube-apiserver", ["system:masters"])
    processes.start(
        "kube-apiserver",
        [
            binaries / "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--bind-address={settings.NODE_ADDRESS}",
            f"--advertise-address={settings.NODE_ADDRESS}",
            f"--secure-port={settings.API_PORT}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={authority.certificate}",
            f"--kubelet-client-certificate={kubelet.certificate}",
            f"--kubelet-client-key={kubelet.key}",
            f"--kubelet-certificate-authority={authority.certificate}",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={signing_key}",
            f"--service-account-signing-key-file={signing_key}",
            f"--service-cluster-ip-range={settings.SERVICE_NETWORK}",
        ],
    )


def _start_controllers(binaries: Path, authority: Authority, signing_key: Path) -> None:
    user = "system:kube-controller-manager"
    kubeconfig = authority.kubeconfig(settings.RUN_FOLDER / "controllers.kubeconfig", user)
    processes.start(
        "kube-controller-manager",
        [
            binaries / "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={settings.state() / 'controllers'}",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={signing_key}",
            f"--root-ca-file={authority.certificate}",
            "--leader-elect=false",
            # No test covers a lost node, and a busy node must not count as lost.
            "--node-monitor-grace-period=5m",
        ],
    )


def _start_scheduler(binaries: Path, authority: Authority) -> None:
    kubeconfig = authority.kubeconfig(
        settings.RUN_FOLDER / "scheduler.kubeconfig", "system:kube-scheduler"
    )
    processes.start(
        "kube-scheduler",
        [
            binaries / "kube-scheduler",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={settings.state() / 'scheduler'}",
            "--leader-elect=false",
        ],
    )


def _is_ready(authority: Authority) -> bool:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    try:
        url = f"{settings.API_URL}/readyz"
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return False


def free_port() -> int:
    """Return a free port of the loopback address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
