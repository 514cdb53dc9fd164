"""Tests told at the same time: most of their time is waiting for others.

A Job takes a second, whatever the machine, because its controller gathers what it
hears for so long, and a process takes seconds to start. Tests that have namespaces of
their own do not disturb one another, so the first of them begins them all, in threads,
and each one's own turn waits for its end. A test is a plain function still, and fails
with its own traceback.

`Stories` share an operator (the fixture `scene`). `Solos` have one each, or more (the
fixture `company`), and run when the stories are done, a few at a time; one that touches
what all share is marked `alone`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .company import Company
from .plane import ControlPlane
from .scene import Scene

STORIES_AT_ONCE = 10
SOLOS_AT_ONCE = 3

Told = TypeVar("Told", bound=Callable[..., None])


def takes_long(test: Told) -> Told:
    """Mark a test that waits for a minute and more: it is begun first."""
    test.takes_long = True  # type: ignore[attr-defined]
    return test


def alone(test: Told) -> Told:
    """Mark a test that others would notice: it comes last, and by itself."""
    test.alone = True  # type: ignore[attr-defined]
    return test


class Test(Protocol):
    """What is needed of a pytest.Function."""

    nodeid: str
    name: str
    obj: Any
    fixturenames: list[str]


class Stories:
    """Tests that share a company."""

    def __init__(self, plane: ControlPlane, folder: Path, tests: Sequence[Test]) -> None:
        namespaces = [namespace_of(test) for test in tests]
        self.company = Company(plane, folder, namespaces).start()
        self._scenes = {
            test.nodeid: Scene(plane, namespace_of(test), self.company.operator, self.company.proxy)
            for test in tests
        }
        self._pool = ThreadPoolExecutor(STORIES_AT_ONCE, thread_name_prefix="story")
        self._ends = _begin(self._pool, self._tell, tests)

    def scene(self, test: Test) -> Scene:
        return self._scenes[test.nodeid]

    def outcome(self, test: Test) -> None:
        """Wait for a test's end, and raise what it raised."""
        self._ends[test.nodeid].result()

    def close(self, *, check: bool) -> None:
        self._pool.shutdown(cancel_futures=True)
        self.company.close(check=check)

    def _tell(self, test: Test) -> None:
        scene = self._scenes[test.nodeid]
        scene.plane.open_namespace(scene.namespace)
        test.obj(scene=scene, **parameters_of(test))


class Companies:
    """Makes the operators of one test, and a namespace for each."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self._plane = plane
        self._folder = folder
        self.made: list[tuple[Company, Scene]] = []

    def __call__(self, **changes: Any) -> tuple[Company, Scene]:
        """Make an operator, not started yet, and a namespace that it watches."""
        namespace = f"t-{secrets.token_hex(4)}"
        folder = self._folder / f"operator-{len(self.made)}"
        company = Company(self._plane, folder, [namespace], **changes)
        self.made.append((company, company.scene(namespace)))
        return self.made[-1]

    def check(self) -> None:
        for _, scene in self.made:
            scene.check()

    def close(self, *, check: bool) -> None:
        for company, scene in self.made:
            company.close(check=check)
            scene.close()


class Solos:
    """Tests with companies of their own."""

    def __init__(self, plane: ControlPlane, folder: Path, tests: Sequence[Test]) -> None:
        self._companies = {
            test.nodeid: Companies(plane, folder / namespace_of(test)) for test in tests
        }
        self._pool = ThreadPoolExecutor(SOLOS_AT_ONCE, thread_name_prefix="solo")
        together = [test for test in tests if not is_alone(test)]
        self._ends = _begin(self._pool, self._tell, together)

    def companies(self, test: Test) -> Companies:
        return self._companies[test.nodeid]

    def outcome(self, test: Test) -> None:
        """Wait for a test's end, and raise what it raised."""
        if is_alone(test):
            self._tell(test)
        else:
            self._ends[test.nodeid].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _tell(self, test: Test) -> None:
        companies = self._companies[test.nodeid]
        passed = False
        try:
            test.obj(company=companies, **parameters_of(test))
            companies.check()
            passed = True
        finally:
            companies.close(check=passed)


def is_alone(test: Test) -> bool:
    return getattr(test.obj, "alone", False)


def parameters_of(test: Test) -> dict[str, Any]:
    callspec = getattr(test, "callspec", None)
    return dict(callspec.params) if callspec is not None else {}


def namespace_of(test: Test) -> str:
    """Return a namespace's name for a test, at most 63 characters long."""
    readable = re.sub(r"[^a-z0-9]+", "-", test.name.lower().removeprefix("test_"))[:40].strip("-")
    return f"{readable}-{hashlib.sha256(test.nodeid.encode()).hexdigest()[:6]}"


def _begin(
    pool: ThreadPoolExecutor, tell: Callable[[Test], None], tests: Sequence[Test]
) -> dict[str, Future[None]]:
    ordered = sorted(tests, key=lambda test: not getattr(test.obj, "takes_long", False))
    return {test.nodeid: pool.submit(tell, test) for test in ordered}
