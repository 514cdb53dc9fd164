"""The bridge that pods and the node share, and the traces of the bridge and of kube-proxy.

The bridge has the node's address, so the API server, the kubelet and a test's object store
can listen on that address only. The route of the service network to the bridge exists before
the first Service, so no packet for the cluster leaves the machine.
"""

from __future__ import annotations

import json
from pathlib import Path

from cluster import settings
from cluster.commands import ClusterError, run, succeeds

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
# The tables of kube-proxy in nftables mode, and of the CNI plugins' masquerade and port maps.
TABLES = (
    "ip kube-proxy",
    "ip6 kube-proxy",
    "inet cni_plugins_masquerade",
    "ip cni_hostport",
    "ip6 cni_hostport",
)
# If iptables is installed, the CNI plugins list these tables when a pod ends, to find rules of
# their older versions. The listing creates the tables.
CREATED_BY_LISTING = ("ip nat", "ip6 nat")


def check_free() -> None:
    """Raise ClusterError if this machine has a route to the cluster's addresses."""
    for network in (settings.POD_NETWORK, settings.SERVICE_NETWORK):
        if routes := run(["ip", "route", "show", "root", network]).strip():
            raise ClusterError(
                f"this machine has a route within {network} ({routes.splitlines()[0]}), which the "
                "cluster needs: another cluster's `down` may have failed; remove the route with "
                "`ip route del`"
            )


def up() -> None:
    """Create the bridge and the route of Services, and enable IP forwarding."""
    bridge = settings.BRIDGE
    run(["ip", "link", "add", bridge, "address", "02:15:be:e9:00:01", "type", "bridge"])
    run(["ip", "addr", "add", f"{settings.NODE_ADDRESS}/24", "dev", bridge])
    run(["ip", "link", "set", bridge, "up"])
    run(["ip", "route", "add", settings.SERVICE_NETWORK, "dev", bridge])
    FORWARD.write_text("1\n")


def down() -> None:
    """Remove the bridge, its links and all tables of rules, if they exist."""
    for link in _links():
        run(["ip", "link", "del", link])
    for table in TABLES:
        if succeeds(["nft", "list", "table", *table.split()]):
            run(["nft", "delete", "table", *table.split()])
    for table in CREATED_BY_LISTING:
        listing = ["nft", "list", "table", *table.split()]
        if succeeds(listing) and "chain" not in run(listing):
            run(["nft", "delete", "table", *table.split()])


def _links() -> list[str]:
    """Return the links of the pods on the bridge, followed by the bridge."""
    links = json.loads(run(["ip", "-j", "link", "show"]))
    names = [link["ifname"] for link in links if link.get("master") == settings.BRIDGE]
    return names + [link["ifname"] for link in links if link["ifname"] == settings.BRIDGE]
