"""Fixtures: a one-node cluster on this machine, with the operator installed by Helm.

pytest collects this folder only if it is named (`make test-node`, `make e2e`), because the
tests need root and take minutes. The tests use an existing cluster (`make cluster`) and
leave it running. A cluster that the tests start is stopped at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import machine  # noqa: E402
from cluster import delivery, images, lifecycle, node, object_store, processes, settings  # noqa: E402
from cluster.bucket import Bucket, secret  # noqa: E402
from cluster.clients import Clients  # noqa: E402
from cluster.commands import ClusterError  # noqa: E402
from support import CHART  # noqa: E402

SECONDS = 3000


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    named = [Path(config.invocation_params.dir, arg.split("::")[0]) for arg in config.args]
    within = any(path.resolve().is_relative_to(HERE) for path in named)
    return None if within or not collection_path.is_relative_to(HERE) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            # The first test on a machine waits until binaries and images are built.
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    """Clients of a running cluster. The cluster's own `down` must restore the machine."""
    try:
        lifecycle.check_root()
        found = settings.KUBECONFIG.exists()
        binaries = lifecycle.build_binaries()
        if not found:
            lifecycle.down()  # removes the traces of a killed `up`
        before = machine.state(binaries)
        if not found:
            lifecycle.up()
    except ClusterError as error:
        pytest.exit(str(error), returncode=1)
    yield Clients(binaries, "default")
    if not found:
        lifecycle.down()
        assert machine.state(binaries) == before


@pytest.fixture(scope="session")
def given_images(clients: Clients) -> dict[str, str]:
    """The tags of the operator's and the worker's image, built from this checkout, on the node."""
    tags = {name: images.build(name) for name in images.INSTALLED}
    for tag in tags.values():
        delivery.import_image(tag, node.ctr(clients.binaries))
    return tags


@pytest.fixture(scope="session")
def endpoint(clients: Clients) -> Iterator[str]:
    """The endpoint of a real S3 for pods and this process; the environment has the credentials."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", object_store.ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", object_store.SECRET_KEY)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        try:
            endpoint = object_store.start()
        except ClusterError as error:
            pytest.exit(str(error), returncode=1)
        yield endpoint
        processes.stop(object_store.NAME)


@pytest.fixture(scope="session")
def bucket(endpoint: str) -> Bucket:
    """An empty bucket."""
    return Bucket(endpoint).make()


@pytest.fixture(scope="session")
def team(clients: Clients, endpoint: str) -> Clients:
    """A restricted namespace for runs, with the Secret of the bucket."""
    team = clients.within("team-a")
    team.make_namespace()
    team.apply(secret(team.namespace))
    return team


@pytest.fixture(scope="session")
def operator(clients: Clients, given_images: dict[str, str], team: Clients) -> Iterator[Clients]:
    """The operator, installed with Helm in a restricted namespace and ready."""
    system = clients.within("isheep-system")
    system.make_namespace()
    values = []
    for value, image in (("image", "operator"), ("workerImage", "worker")):
        repository, _, tag = given_images[image].rpartition(":")
        values += [f"--set={value}.repository={repository}", f"--set={value}.tag={tag}"]
        values += [f"--set={value}.pullPolicy=Never"]
    system.helm("install", "isheep-operator", str(CHART), *values, "--wait", "--timeout=120s")
    yield system
    if "isheep-operator" in system.helm("list", "--short"):
        system.helm("uninstall", "isheep-operator", "--wait")
