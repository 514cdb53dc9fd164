"""A second judgement about a defect that no seed finds: do the unit tests fail with it?

The simulation cannot find each defect: some make a difference only in what the simulation does not
have. If a unit test finds such a survivor, it is covered. If nothing finds it, it is equivalent, or
a test is missing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Protocol

import pytest

from .forked import forked

ROOT = Path(__file__).parents[3]
PACKAGES = ("planner", "kube")
TEST_SECONDS = 120
"""A test that takes longer hangs, which is a failure."""
SECONDS = 1800
"""The longest time for the tests of one defect."""


class Plantable(Protocol):
    """A defect that can be planted."""

    @property
    def place(self) -> str:
        """The function that it changes."""

    def planted(self) -> contextlib.AbstractContextManager[None]:
        """Plant the defect for a while."""


class _Failures:
    """A plugin of pytest that keeps the names of what fails."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that fails."""
        if report.failed:
            self.names.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that cannot be imported."""
        if report.failed:
            self.names.append(report.nodeid)


def failing_test(defect: Plantable | None, packages: Sequence[str] = PACKAGES) -> str | None:
    """Return the first unit test that fails with a defect, or None.

    The tests run in a process of their own, so that no broken state is left.

    Args:
        defect: The defect; None runs the tests without one.
        packages: The packages of which the tests run, after those of the changed module.
    """
    try:
        found: str | None = forked(_run, defect, _paths(defect, packages), seconds=SECONDS)
    except TimeoutError:
        return "the tests hang"
    except EOFError:
        return "the tests end their process"
    return found


def _run(defect: Plantable | None, paths: Sequence[str], sender: Pipe) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    failures = _Failures()
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not long and not alone"]
    options += [f"--rootdir={ROOT}", f"--timeout={TEST_SECONDS}"]
    with contextlib.nullcontext() if defect is None else defect.planted():
        code = pytest.main([*options, *paths], plugins=[failures])
    ended = None if code == pytest.ExitCode.OK else f"pytest ends with the exit code {int(code)}"
    sender.send(failures.names[0] if failures.names else ended)


def _paths(defect: Plantable | None, packages: Sequence[str]) -> Sequence[str]:
    """Return the tests of the changed module, which fail soonest, and those of the packages."""
    units = ROOT / "tests" / "unit" / "isheep"
    every = [str(units / package) for package in packages]
    if defect is None:
        return every
    module = defect.place.partition(":")[0].removeprefix("isheep.").split(".")
    folder = units.joinpath(*module[:-1])
    return [str(one) for one in sorted(folder.glob(f"test_{module[-1]}*.py"))] + every
