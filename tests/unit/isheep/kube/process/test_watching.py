"""When kopf is replaced: if a watch is not open for too long and no LIST goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from isheep.kube.process import watching
from isheep.kube.process.operator import Operator
from isheep.kube.process.watches import Watches

RUNS = "http://host/apis/isheep.dev/v1alpha1/namespaces/team/selfalignmentruns"
JOBS = "http://host/apis/batch/v1/namespaces/team/jobs"
WATCH = "?watch=true&resourceVersion=7"
LIMIT = int(watching.LOST_SECONDS / watching.CHECK_SECONDS)


def checks_until_lost(
    monkeypatch: pytest.MonkeyPatch, report: Callable[[Watches, int], None]
) -> int:
    """Return the number of checks until the watches are lost; `report` happens before each one."""
    watches, checks = Watches(), 0
    watches.expect("team")

    async def sleep(_: float) -> None:
        nonlocal checks
        checks += 1
        report(watches, checks)

    monkeypatch.setattr(watching, "asyncio", SimpleNamespace(sleep=sleep))
    operator: Any = SimpleNamespace(watches=watches)
    asyncio.run(watching._lost(cast(Operator, operator), "team"))
    return checks


def test_watches_that_never_open_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks_until_lost(monkeypatch, lambda _, __: None) == LIMIT


def test_watches_are_not_lost_while_pages_of_a_list_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The LIST of many large runs takes longer than the limit, and must end at some time."""
    last = 5 * LIMIT

    def report(watches: Watches, check: int) -> None:
        watches.note_answer(JOBS + WATCH, 200)
        if check <= last:
            watches.note_answer(f"{RUNS}?limit=10&continue={check}", 200)

    assert checks_until_lost(monkeypatch, report) == last + LIMIT


def test_open_watches_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    last = 3 * LIMIT

    def report(watches: Watches, check: int) -> None:
        if check == 1:
            watches.note_answer(RUNS + WATCH, 200)
            watches.note_answer(JOBS + WATCH, 200)
        if check == last:
            watches.note_failure(RUNS + WATCH, "TimeoutError")

    assert checks_until_lost(monkeypatch, report) == last - 1 + LIMIT


def test_pages_that_are_refused_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def report(watches: Watches, check: int) -> None:
        watches.note_answer(f"{RUNS}?limit=10", 403)
        watches.note_answer(RUNS.replace("team", "other"), 200)

    assert checks_until_lost(monkeypatch, report) == LIMIT


def test_deletions_are_looked_for_after_each_list_of_kopf(monkeypatch: pytest.MonkeyPatch) -> None:
    """And again if the API server does not answer."""
    lists = iter([0, 0, 1, 1, 1, 3, 3])
    answers, looked = iter([False, True, True]), []

    async def sleep(_: float) -> None:
        """Do not wait."""

    class Ended(Exception):
        """The end of the test."""

    def counted(namespace: str) -> int:
        try:
            return next(lists)
        except StopIteration:
            raise Ended from None

    async def find(namespace: str) -> bool:
        looked.append(namespace)
        return next(answers)

    monkeypatch.setattr(watching, "asyncio", SimpleNamespace(sleep=sleep))
    operator: Any = SimpleNamespace(watches=SimpleNamespace(lists=counted), find_deletions=find)
    with pytest.raises(Ended):
        asyncio.run(watching._find_deletions(cast(Operator, operator), "team", known=0))
    assert looked == ["team"] * 3
