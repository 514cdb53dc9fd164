"""One real control plane for all tests of this folder that run in one process.

It takes some seconds to come up, lives in a folder of its own and on free ports, and
is stopped by pid at the end. Tests of the operator share one (`scene`), each in a namespace of
its own, or have one to themselves (`company`); they run at the same time, as
`harness.stories` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .harness.api import ApiServer
from .harness.company import Company
from .harness.plane import ControlPlane
from .harness.scene import Scene
from .harness.servers import Servers, serve_crd
from .harness.stories import Companies, Solos, Stories, is_alone

HERE = Path(__file__).resolve().parent
BUILD_SECONDS = 1500
REPORT: pytest.StashKey[pytest.TestReport] = pytest.StashKey()
OPERATORS: pytest.StashKey[Callable[[], list[Company]]] = pytest.StashKey()
OUTCOME: pytest.StashKey[Callable[[pytest.Function], None]] = pytest.StashKey()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What breaks things for everybody comes when everybody else is done.
    items.sort(key=_turn)
    for item in items:
        if item.path.is_relative_to(HERE):
            # The first test of a machine waits until the programs are built.
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    report: pytest.TestReport = yield
    if call.when == "call":
        item.stash[REPORT] = report
    if report.failed:
        for company in item.stash.get(OPERATORS, list)():
            report.sections.append(("operator", company.operator.tail()))
    return report


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The programs, none of them started."""
    started = Servers(tmp_path_factory.mktemp("control-plane"))
    try:
        yield started
    finally:
        started.stop()


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
def control_plane(servers: Servers, crd_server: ApiServer) -> Iterator[ControlPlane]:
    """The API server with controllers, a scheduler, nodes, and rights for an operator."""
    plane = ControlPlane.open(servers, crd_server)
    try:
        yield plane
    finally:
        plane.close()


@pytest.fixture(scope="session")
def stories(
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stories]:
    """The tests that share an operator."""
    told = Stories(control_plane, tmp_path_factory.mktemp("operator"), _with("scene", request))
    try:
        yield told
    finally:
        told.close(check=not request.session.testsfailed)


@pytest.fixture(scope="session")
def solos(
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Solos]:
    """The tests that have operators of their own."""
    told = Solos(control_plane, tmp_path_factory.mktemp("operators"), _with("company", request))
    try:
        yield told
    finally:
        told.close()


@pytest.fixture
def scene(request: pytest.FixtureRequest, stories: Stories) -> Iterator[Scene]:
    """A namespace of the test's own, watched by the operator that many share."""
    request.node.stash[OUTCOME] = stories.outcome
    request.node.stash[OPERATORS] = lambda: [stories.company]
    scene = stories.scene(request.node)
    try:
        yield scene
        if REPORT in request.node.stash and request.node.stash[REPORT].passed:
            scene.check()
    finally:
        scene.close()


@pytest.fixture
def company(request: pytest.FixtureRequest, solos: Solos) -> Companies:
    """Makes an operator, not started yet, and a namespace that it watches."""
    companies = solos.companies(request.node)
    request.node.stash[OUTCOME] = solos.outcome
    request.node.stash[OPERATORS] = lambda: [made for made, _ in companies.made]
    return companies


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test with an operator was begun with the first of them; here its end is waited for."""
    if OUTCOME not in pyfuncitem.stash:
        return None
    pyfuncitem.stash[OUTCOME](pyfuncitem)
    return True


def _with(fixture: str, request: pytest.FixtureRequest) -> list[pytest.Function]:
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    return [test for test in tests if fixture in test.fixturenames]


def _turn(item: pytest.Item) -> int:
    """Tests without an operator, that share one, that have one, that are alone."""
    if not item.path.is_relative_to(HERE) or not isinstance(item, pytest.Function):
        return 0
    if is_alone(item):
        return 4
    names = item.fixturenames
    return 3 if "company" in names else 2 if "scene" in names else 1
