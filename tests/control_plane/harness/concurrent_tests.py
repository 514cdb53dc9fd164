"""Run tests at the same time, because most of their time is waiting.

A Job takes at least a second on any machine, because its controller collects events for
that long, and a process takes seconds to start. Tests with their own namespaces do not
disturb each other. The first of these tests therefore starts all of them in threads, and
pytest waits for the end of each test when it comes to it. A test remains a plain function
and fails with its own traceback.

`SharedOperatorTests` share one operator (the fixture `namespace`). `OwnOperatorTests` have
one operator or more each (the fixture `operators`); they run a few at a time when the
shared operator's tests have ended. A test that affects what all tests share is marked
`exclusive`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .cluster import Cluster
from .invariants import check_requests
from .namespace_fixture import NamespaceFixture
from .operator_environment import OperatorEnvironment

SHARED_AT_ONCE = 10
OWN_AT_ONCE = 3

Function = TypeVar("Function", bound=Callable[..., None])


def takes_long(test: Function) -> Function:
    """Mark a test that waits for a minute or more. Such tests start first."""
    test.takes_long = True  # type: ignore[attr-defined]
    return test


def exclusive(test: Function) -> Function:
    """Mark a test that would disturb others. Such a test runs last, and no other with it."""
    test.exclusive = True  # type: ignore[attr-defined]
    return test


class Test(Protocol):
    """The used part of a pytest.Function."""

    nodeid: str
    name: str
    obj: Any
    fixturenames: list[str]


class SharedOperatorTests:
    """The tests that share one operator."""

    def __init__(self, cluster: Cluster, folder: Path, tests: Sequence[Test]) -> None:
        names = [namespace_of(test) for test in tests]
        self.environment = OperatorEnvironment(cluster, folder, names).start()
        operator, proxy = self.environment.operator, self.environment.proxy
        self._namespaces = {
            test.nodeid: NamespaceFixture(cluster, namespace_of(test), operator, proxy)
            for test in tests
        }
        self._pool = ThreadPoolExecutor(SHARED_AT_ONCE, thread_name_prefix="shared-operator")
        self._ends = _submit(self._pool, self._run, tests)

    def namespace(self, test: Test) -> NamespaceFixture:
        return self._namespaces[test.nodeid]

    def outcome(self, test: Test) -> None:
        """Wait for the end of a test, and raise its exception if there is one."""
        self._ends[test.nodeid].result()

    def close(self, *, check: bool) -> None:
        self._pool.shutdown(cancel_futures=True)
        self.environment.close(check=check)

    def _run(self, test: Test) -> None:
        namespace = self._namespaces[test.nodeid]
        namespace.cluster.open_namespace(namespace.name)
        test.obj(namespace=namespace, **parameters_of(test))


class OperatorFactory:
    """Creates the operators of one test, with one namespace for each."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self.created: list[tuple[OperatorEnvironment, NamespaceFixture]] = []
        self.replicas: list[OperatorEnvironment] = []

    def __call__(self, **changes: Any) -> tuple[OperatorEnvironment, NamespaceFixture]:
        """Create an operator, not started yet, and the namespace that it watches."""
        name = f"t-{secrets.token_hex(4)}"
        folder = self._folder / f"operator-{len(self.created)}"
        environment = OperatorEnvironment(self._cluster, folder, [name], **changes)
        self.created.append((environment, environment.namespace(name)))
        return self.created[-1]

    def replica(self, environment: OperatorEnvironment) -> OperatorEnvironment:
        """Create another operator of an installation, not started yet."""
        self.replicas.append(environment.replica())
        return self.replicas[-1]

    def check(self) -> None:
        for _, namespace in self.created:
            namespace.check()
        for replica in self.replicas:
            check_requests(replica.proxy.all_requests())

    def close(self, *, check: bool) -> None:
        for replica in self.replicas:
            replica.close(check=check)
        for environment, namespace in self.created:
            environment.close(check=check)
            namespace.close()


class OwnOperatorTests:
    """The tests that have their own operators."""

    def __init__(self, cluster: Cluster, folder: Path, tests: Sequence[Test]) -> None:
        self._factories = {
            test.nodeid: OperatorFactory(cluster, folder / namespace_of(test)) for test in tests
        }
        self._pool = ThreadPoolExecutor(OWN_AT_ONCE, thread_name_prefix="own-operator")
        together = [test for test in tests if not is_exclusive(test)]
        self._ends = _submit(self._pool, self._run, together)

    def factory(self, test: Test) -> OperatorFactory:
        return self._factories[test.nodeid]

    def outcome(self, test: Test) -> None:
        """Wait for the end of a test, and raise its exception if there is one."""
        if is_exclusive(test):
            self._run(test)
        else:
            self._ends[test.nodeid].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _run(self, test: Test) -> None:
        factory = self._factories[test.nodeid]
        passed = False
        try:
            test.obj(operators=factory, **parameters_of(test))
            factory.check()
            passed = True
        finally:
            factory.close(check=passed)


def is_exclusive(test: Test) -> bool:
    return getattr(test.obj, "exclusive", False)


def parameters_of(test: Test) -> dict[str, Any]:
    callspec = getattr(test, "callspec", None)
    return dict(callspec.params) if callspec is not None else {}


def namespace_of(test: Test) -> str:
    """Return the name of a test's namespace, at most 63 characters long."""
    readable = re.sub(r"[^a-z0-9]+", "-", test.name.lower().removeprefix("test_"))[:40].strip("-")
    return f"{readable}-{hashlib.sha256(test.nodeid.encode()).hexdigest()[:6]}"


def _submit(
    pool: ThreadPoolExecutor, run: Callable[[Test], None], tests: Sequence[Test]
) -> dict[str, Future[None]]:
    ordered = sorted(tests, key=lambda test: not getattr(test.obj, "takes_long", False))
    return {test.nodeid: pool.submit(run, test) for test in ordered}
