import json
import socket
import sys

import pytest

from isheep.cluster.client import Cluster
from isheep.cluster.errors import ClusterError, ClusterUnreachableError


def context(name, **fields):
    return {"name": name, "context": {"cluster": "c", "user": "u", **fields}}


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    """A kubeconfig whose server has a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "config"
    document = {
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [context("one", namespace="team-a"), context("two")],
    }
    path.write_text(json.dumps(document))
    use(monkeypatch, path)
    return path


def use(monkeypatch, path):
    from kubernetes.config import kube_config

    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))


@pytest.mark.parametrize(
    ("namespace", "chosen", "expected"),
    [(None, None, "team-a"), (None, "two", "default"), ("x", "one", "x")],
)
def test_the_namespace_is_that_of_the_context(kubeconfig, namespace, chosen, expected):
    assert Cluster.connect(namespace, chosen).namespace == expected


def test_an_unknown_context_is_refused(kubeconfig):
    with pytest.raises(ClusterError, match="--context"):
        Cluster.connect(None, "three")


def test_a_missing_kubeconfig_is_refused(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path / "none")
    with pytest.raises(ClusterError, match="set KUBECONFIG"):
        Cluster.connect("team-a", None)


def test_a_server_that_does_not_answer_is_unreachable(kubeconfig):
    with pytest.raises(ClusterUnreachableError, match="does not answer"):
        Cluster.connect(None, None).retry("run", "1")


def test_without_the_client_the_message_has_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(ClusterError, match=r"pip install 'isheep\[cluster\]'"):
        Cluster.connect("team-a", None)
