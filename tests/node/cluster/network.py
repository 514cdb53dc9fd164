"""The bridge that pods and the node share, and all traces that it and kube-proxy leave.

The bridge carries the node's address, so the API server, the kubelet and a test's object
store can listen there and nowhere else. Services are routed to it before anything asks
for one: a packet meant for the cluster never leaves the machine.
"""

from __future__ import annotations

import json
from pathlib import Path

from cluster import settings
from cluster.commands import ClusterError, run, succeeds

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
# Of kube-proxy in nftables mode, and of the CNI plugins' masquerade and port maps.
TABLES = (
    "ip kube-proxy",
    "ip6 kube-proxy",
    "inet cni_plugins_masquerade",
    "ip cni_hostport",
    "ip6 cni_hostport",
)
# Where iptables is installed, the CNI plugins look through its table for rules of their older
# versions when a pod ends, and looking creates it.
LOOKED_THROUGH = ("ip nat", "ip6 nat")


def check_free() -> None:
    """Raise where something of this machine has the cluster's addresses already."""
    for network in (settings.POD_NETWORK, settings.SERVICE_NETWORK):
        if routes := run(["ip", "route", "show", "root", network]).strip():
            raise ClusterError(
                f"this machine has a route within {network} ({routes.splitlines()[0]}), which the "
                "cluster needs: another cluster's `down` may have failed; `ip route del` removes it"
            )


def up() -> None:
    """Make the bridge and the route to services, and let the machine forward."""
    bridge = settings.BRIDGE
    run(["ip", "link", "add", bridge, "address", "02:15:be:e9:00:01", "type", "bridge"])
    run(["ip", "addr", "add", f"{settings.NODE_ADDRESS}/24", "dev", bridge])
    run(["ip", "link", "set", bridge, "up"])
    run(["ip", "route", "add", settings.SERVICE_NETWORK, "dev", bridge])
    FORWARD.write_text("1\n")


def down() -> None:
    """Remove the bridge, what hangs on it, and every table of rules; what is gone is fine."""
    for link in _links():
        run(["ip", "link", "del", link])
    for table in TABLES:
        if succeeds(["nft", "list", "table", *table.split()]):
            run(["nft", "delete", "table", *table.split()])
    for table in LOOKED_THROUGH:
        listing = ["nft", "list", "table", *table.split()]
        if succeeds(listing) and "chain" not in run(listing):
            run(["nft", "delete", "table", *table.split()])


def _links() -> list[str]:
    """Return the bridge and the pods' ends on it, those first."""
    links = json.loads(run(["ip", "-j", "link", "show"]))
    names = [link["ifname"] for link in links if link.get("master") == settings.BRIDGE]
    return names + [link["ifname"] for link in links if link["ifname"] == settings.BRIDGE]
