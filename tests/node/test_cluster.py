"""The cluster itself: it enforces the same rules as a real one, and listens locally only."""

from __future__ import annotations

import ipaddress
import json
import re

import pytest
from cluster import lifecycle, settings
from cluster.clients import Clients
from cluster.commands import ClusterError, run
from support import end_of_pod, restricted_pod

REQUEST_THE_VERSION = """
import os, ssl, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
context = ssl.create_default_context(cafile=folder + "ca.crt")
host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
request = urllib.request.Request(f"https://{host}:{port}/version")
request.add_header("Authorization", "Bearer " + open(folder + "token").read())
print(host, urllib.request.urlopen(request, context=context, timeout=10).status)
"""


def test_a_second_cluster_is_refused(clients: Clients) -> None:
    with pytest.raises(ClusterError, match="is running already"):
        lifecycle.up()


def test_a_pod_reaches_the_api_server_by_its_service(
    clients: Clients, given_images: dict[str, str]
) -> None:
    space = clients.within("service")
    space.make_namespace()
    command = ("python3", "-c", REQUEST_THE_VERSION)
    space.apply(restricted_pod("client", given_images["operator"], *command))
    assert end_of_pod(space, "client")["exitCode"] == 0, space.kubectl("logs", "client")
    assert space.kubectl("logs", "client").split() == [settings.API_SERVICE_ADDRESS, "200"]


def test_restricted_pod_security_is_enforced(clients: Clients) -> None:
    space = clients.within("strict")
    space.make_namespace()
    pod = restricted_pod("unrestricted", "localhost/any:1")
    del pod["spec"]["containers"][0]["securityContext"]
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        space.apply(pod)


def test_a_request_without_the_right_is_forbidden(clients: Clients) -> None:
    command = ("auth", "can-i", "create", "pods", "--as=system:serviceaccount:default:default")
    with pytest.raises(ClusterError, match="no"):
        clients.kubectl(*command)


def test_all_programs_listen_on_loopback_or_on_the_bridge(clients: Clients) -> None:
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
