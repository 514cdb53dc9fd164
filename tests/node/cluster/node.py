"""containerd, the kubelet and kube-proxy: the programs of a node.

containerd keeps its images in the cache, in a folder for its version, so the gigabytes of a
worker's image are imported once. Containers are removed with the cluster.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from cluster import images, processes, settings
from cluster.certificates import Authority
from cluster.commands import run, succeeds
from cluster.control_plane import free_port

NAMES = ("containerd", "kubelet", "kube-proxy")
START_SECONDS = 120


def start_containerd(binaries: Path) -> None:
    """Start containerd, and wait until it responds."""
    config = settings.state() / "containerd.toml"
    config.write_text(_containerd_config(binaries))
    _write_network(settings.state() / "cni" / "10-isheep.conflist")
    processes.start(
        "containerd",
        [binaries / "containerd", f"--config={config}"],
        # containerd searches its shim and runc on the PATH.
        {"PATH": f"{binaries}:{os.environ['PATH']}"},
    )
    version = [*ctr(binaries), "version"]
    processes.wait_for("containerd", ["containerd"], lambda: succeeds(version), START_SECONDS)


def start(binaries: Path, authority: Authority, admin: Path) -> None:
    """Start the kubelet and kube-proxy and wait until the node is ready for pods."""
    _start_kubelet(binaries, authority)
    _start_proxy(binaries, authority)
    kubectl = [binaries / "kubectl", f"--kubeconfig={admin}"]
    ready = [*kubectl, "wait", "--for=condition=Ready", "--timeout=0s"]
    node = [*ready, f"node/{settings.NODE_NAME}"]
    processes.wait_for("the node", NAMES, lambda: succeeds(node), START_SECONDS)
    account = [*kubectl, "get", "serviceaccount", "default"]
    processes.wait_for("a service account", NAMES, lambda: succeeds(account), START_SECONDS)


def ctr(binaries: Path) -> list[str]:
    """Return the first words of a command line of the client of the cluster's containerd."""
    return [
        str(binaries / "ctr"),
        f"--address={settings.CONTAINERD_SOCKET}",
        "--namespace=k8s.io",
    ]


def remove_containers(binaries: Path) -> None:
    """Remove the processes, file systems and records of pods from containerd, but no images."""
    client = ctr(binaries)
    for container in run([*client, "tasks", "list", "--quiet"]).split():
        succeeds([*client, "tasks", "delete", "--force", container])
    for container in run([*client, "containers", "list", "--quiet"]).split():
        run([*client, "containers", "delete", container])
    for line in run([*client, "sandboxes", "list"]).splitlines()[1:]:
        run([*client, "sandboxes", "remove", "--force", line.split()[0]])


def containerd_root(binaries: Path) -> Path:
    """Return containerd's folder of images, named after the pins of its version."""
    return settings.cache() / "images" / (binaries / "containerd").resolve().parent.name


def _containerd_config(binaries: Path) -> str:
    runtime = '[plugins."io.containerd.cri.v1.runtime"'
    return f"""\
version = 3
root = "{containerd_root(binaries)}"
state = "{settings.RUN_FOLDER}/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{settings.CONTAINERD_SOCKET}"
{runtime}]
# If this machine is a container, it may not lower an OOM score.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
{runtime}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
{runtime}.cni]
bin_dirs = ["{binaries}"]
conf_dir = "{settings.state()}/cni"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{images.PAUSE}"
"""


def _write_network(target: Path) -> None:
    addresses = {
        "subnet": settings.POD_NETWORK,
        "rangeStart": settings.POD_FIRST,
        "rangeEnd": settings.POD_LAST,
        "gateway": settings.NODE_ADDRESS,
    }
    bridge = {
        "type": "bridge",
        "bridge": settings.BRIDGE,
        "isGateway": True,
        "ipMasq": True,
        "ipMasqBackend": "nftables",
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[addresses]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(settings.RUN_FOLDER / "addresses"),
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "backend": "nftables"}
    network = {"cniVersion": "1.0.0", "name": "isheep", "plugins": [bridge, portmap]}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(network))


def _start_kubelet(binaries: Path, authority: Authority) -> None:
    user, groups = f"system:node:{settings.NODE_NAME}", ["system:nodes"]
    kubeconfig = authority.kubeconfig(settings.RUN_FOLDER / "kubelet.kubeconfig", user, groups)
    serving = authority.pair("kubelet-server", user, groups, [settings.NODE_ADDRESS])
    state = settings.state()
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": settings.NODE_ADDRESS,
        "port": settings.KUBELET_PORT,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{settings.CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "podLogsDir": str(state / "pod-logs"),
        "volumePluginDir": str(state / "volume-plugins"),
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
    }
    file = state / "kubelet.json"
    file.write_text(json.dumps(config))
    processes.start(
        "kubelet",
        [
            binaries / "kubelet",
            f"--config={file}",
            f"--kubeconfig={kubeconfig}",
            f"--root-dir={state / 'kubelet'}",
            f"--hostname-override={settings.NODE_NAME}",
            f"--node-ip={settings.NODE_ADDRESS}",
        ],
    )


def _start_proxy(binaries: Path, authority: Authority) -> None:
    kubeconfig = authority.kubeconfig(settings.RUN_FOLDER / "proxy.kubeconfig", "system:kube-proxy")
    # Zeros keep the machine's settings of connection tracking.
    conntrack = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s"}
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": settings.POD_NETWORK,
        "conntrack": {**conntrack, "tcpCloseWaitTimeout": "0s"},
        "hostnameOverride": settings.NODE_NAME,
        "metricsBindAddress": f"127.0.0.1:{free_port()}",
        "healthzBindAddress": f"127.0.0.1:{free_port()}",
    }
    file = settings.state() / "proxy.json"
    file.write_text(json.dumps(config))
    processes.start("kube-proxy", [binaries / "kube-proxy", f"--config={file}"])
