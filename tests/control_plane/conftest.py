"""One real control plane for all tests of this folder that run in one process.

The control plane takes some seconds to start, uses its own folder and free ports, and is
stopped by pid at the end. Tests of the operator share an operator (the fixture
`namespace`) with one namespace each, or have their own operators (the fixture
`operators`). They run at the same time; `harness.concurrent_tests` explains how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .harness.api import ApiServer
from .harness.cluster import Cluster
from .harness.concurrent_tests import (
    OperatorFactory,
    OwnOperatorTests,
    SharedOperatorTests,
    is_exclusive,
)
from .harness.namespace_fixture import NamespaceFixture
from .harness.operator_environment import OperatorEnvironment
from .harness.servers import Servers, serve_crd

HERE = Path(__file__).resolve().parent
BUILD_SECONDS = 1500
REPORT: pytest.StashKey[pytest.TestReport] = pytest.StashKey()
OPERATORS: pytest.StashKey[Callable[[], list[OperatorEnvironment]]] = pytest.StashKey()
OUTCOME: pytest.StashKey[Callable[[pytest.Function], None]] = pytest.StashKey()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The tests that disturb all others run when all others have ended.
    items.sort(key=_position)
    for item in items:
        if item.path.is_relative_to(HERE):
            # The first test on a machine waits until the programs are built.
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    report: pytest.TestReport = yield
    if call.when == "call":
        item.stash[REPORT] = report
    if report.failed:
        for environment in item.stash.get(OPERATORS, list)():
            report.sections.append(("operator", environment.operator.tail()))
    return report


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The programs of a control plane, none of them started."""
    servers = Servers(tmp_path_factory.mktemp("control-plane"))
    try:
        yield servers
    finally:
        servers.stop()


@pytest.fixture(scope="session")
def api_server(servers: Servers) -> ApiServer:
    """An empty API server."""
    return servers.start_api_server()


@pytest.fixture(scope="session")
def crd_server(api_server: ApiServer) -> ApiServer:
    """An API server that serves SelfAlignmentRun."""
    serve_crd(api_server)
    return api_server


@pytest.fixture(scope="session")
def cluster(servers: Servers, crd_server: ApiServer) -> Iterator[Cluster]:
    """The API server with controllers, a scheduler, nodes, and the operator's rights."""
    opened = Cluster.open(servers, crd_server)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def shared_operator_tests(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SharedOperatorTests]:
    """The tests that share an operator, all started."""
    folder = tmp_path_factory.mktemp("operator")
    tests = SharedOperatorTests(cluster, folder, _tests_with("namespace", request))
    try:
        yield tests
    finally:
        tests.close(check=not request.session.testsfailed)


@pytest.fixture(scope="session")
def own_operator_tests(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OwnOperatorTests]:
    """The tests that have their own operators, all started but the exclusive ones."""
    folder = tmp_path_factory.mktemp("operators")
    tests = OwnOperatorTests(cluster, folder, _tests_with("operators", request))
    try:
        yield tests
    finally:
        tests.close()


@pytest.fixture
def namespace(
    request: pytest.FixtureRequest, shared_operator_tests: SharedOperatorTests
) -> Iterator[NamespaceFixture]:
    """The test's own namespace, watched by the shared operator."""
    request.node.stash[OUTCOME] = shared_operator_tests.outcome
    request.node.stash[OPERATORS] = lambda: [shared_operator_tests.environment]
    namespace = shared_operator_tests.namespace(request.node)
    try:
        yield namespace
        if REPORT in request.node.stash and request.node.stash[REPORT].passed:
            namespace.check()
    finally:
        namespace.close()


@pytest.fixture
def operators(
    request: pytest.FixtureRequest, own_operator_tests: OwnOperatorTests
) -> OperatorFactory:
    """A function that creates an operator, not started yet, and the namespace it watches."""
    factory = own_operator_tests.factory(request.node)
    request.node.stash[OUTCOME] = own_operator_tests.outcome
    request.node.stash[OPERATORS] = lambda: [environment for environment, _ in factory.created]
    return factory


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for the end of a test that already runs in a thread, instead of calling it."""
    if OUTCOME not in pyfuncitem.stash:
        return None
    pyfuncitem.stash[OUTCOME](pyfuncitem)
    return True


def _tests_with(fixture: str, request: pytest.FixtureRequest) -> list[pytest.Function]:
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    return [test for test in tests if fixture in test.fixturenames]


def _position(item: pytest.Item) -> int:
    """Order tests: without an operator, with the shared one, with their own, exclusive."""
    if not item.path.is_relative_to(HERE) or not isinstance(item, pytest.Function):
        return 0
    if is_exclusive(item):
        return 4
    names = item.fixturenames
    return 3 if "operators" in names else 2 if "namespace" in names else 1
