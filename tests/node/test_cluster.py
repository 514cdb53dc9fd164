"""The cluster itself: as strict as a real one, and closed to the rest of the network."""

from __future__ import annotations

import ipaddress
import json
import re

import pytest
from cluster import lifecycle, settings
from cluster.clients import Clients
from cluster.commands import ClusterError, run
from support import end_of_pod, restricted_pod

ASK_THE_API_SERVER = """
import os, ssl, urllib.request
place = "/var/run/secrets/kubernetes.io/serviceaccount/"
context = ssl.create_default_context(cafile=place + "ca.crt")
host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
request = urllib.request.Request(f"https://{host}:{port}/version")
request.add_header("Authorization", "Bearer " + open(place + "token").read())
print(host, urllib.request.urlopen(request, context=context, timeout=10).status)
"""


def test_a_second_cluster_is_refused(clients: Clients) -> None:
    with pytest.raises(ClusterError, match="is up already"):
        lifecycle.up()


def test_a_pod_reaches_the_api_server_by_its_service(
    clients: Clients, given_images: dict[str, str]
) -> None:
    space = clients.within("service")
    space.make_namespace()
    command = ("python3", "-c", ASK_THE_API_SERVER)
    space.apply(restricted_pod("asking", given_images["operator"], *command))
    assert end_of_pod(space, "asking")["exitCode"] == 0, space.kubectl("logs", "asking")
    assert space.kubectl("logs", "asking").split() == [settings.API_SERVICE_ADDRESS, "200"]


def test_restricted_pod_security_is_enforced(clients: Clients) -> None:
    space = clients.within("strict")
    space.make_namespace()
    pod = restricted_pod("unrestricted", "localhost/any:1")
    del pod["spec"]["containers"][0]["securityContext"]
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        space.apply(pod)


def test_whoever_has_no_right_is_refused(clients: Clients) -> None:
    asking = ("auth", "can-i", "create", "pods", "--as=system:serviceaccount:default:default")
    with pytest.raises(ClusterError, match="no"):
        clients.kubectl(*asking)


def test_everything_listens_on_loopback_or_on_the_bridge(clients: Clients) -> None:
    records = [json.loads(path.read_text()) for path in settings.RUN_FOLDER.glob("*.json")]
    pids = {str(record["pid"]) for record in records if "pid" in record}
    assert len(pids) >= 7
    addresses = {
        line.split()[3].rpartition(":")[0].strip("[]")
        for line in run(
            ["ss", "--no-header", "--listening", "--tcp", "--numeric", "-p"]
        ).splitlines()
        if pids & set(re.findall(r"pid=(\d+)", line))
    }
    assert settings.NODE_ADDRESS in addresses
    outside = {
        address
        for address in addresses - {settings.NODE_ADDRESS}
        if not ipaddress.ip_address(address).is_loopback
    }
    assert not outside
