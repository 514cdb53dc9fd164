"""The journal, with a folder store and an engine that is killed: no finished completion is lost."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.recipes.interface import PART_ITEMS, part_count
from isheep.store.completions import CompletionStore
from isheep.store.folder import FolderStore
from isheep.store.work import work_folder
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.journal import Journal
from isheep_worker.execution.parts import (
    FilledPart,
    PartProgram,
    fill_parts,
    part_items,
)
from isheep_worker.runtime.errors import StoppedError
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.stopping import StopFlag


class KilledError(Exception):
    """Simulates SIGKILL: no code after it runs."""


class UnevenEngine:
    """Completes some random requests at each poll; the text has the request's seed and this life.

    One request in `PART_ITEMS` is slow: it completes only when no other request is left.
    """

    max_in_flight = 3 * PART_ITEMS
    independent_requests = True

    def __init__(self, life: int, polls: int) -> None:
        self._random = random.Random(life)
        self._life = life
        self._polls = polls
        self._waiting: list[Request] = []
        self.completed: list[str] = []
        self.time = 0.0

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    def submit(self, group: Sequence[Request]) -> None:
        self._waiting += group

    def poll(self) -> list[Completion]:
        self._polls -= 1
        if self._polls < 0:
            raise KilledError
        self.time += 1
        fast = [r for r in self._waiting if r.seed % PART_ITEMS] or self._waiting
        done = self._random.sample(fast, min(len(fast), 20))
        self._waiting = [r for r in self._waiting if r not in done]
        self.completed += [r.id for r in done]
        return [Completion(r.id, f"{r.seed} of life {self._life}", "stop", 1, 1) for r in done]


def two_levels(part: int, items: int) -> PartProgram:
    """Both groups have the same request ids, as the two scorings of an assess stage have."""
    lines = []
    for level in range(2):
        requests = [
            Request(f"{part}/{item}", (level,), item, 1.0, 1.0, 1)
            for item in part_items(part, items)
        ]
        completions = yield requests
        lines += [f"{level}: {completion.text}".encode() for completion in completions]
    return FilledPart(lines, {})


class Stage:
    """One stage of `items` items in a store, worked on by one life after another."""

    def __init__(self, folder: Path, items: int) -> None:
        self.store = FolderStore(folder)
        self.completions = CompletionStore(self.store, "ns", "key")
        self.items = items
        self.written: dict[int, list[bytes]] = {}
        self.completed: list[str] = []

    def live(
        self, life: int, polls: int = 10**6, *, saves: bool = True, stop: StopFlag | None = None
    ) -> None:
        """Work until the end or the kill; if `saves`, save after each poll."""
        missing = [p for p in range(part_count(self.items)) if p not in self.written]
        engine = UnevenEngine(life, polls)
        try:
            fill_parts(
                missing,
                lambda part: two_levels(part, self.items),
                lambda part, filled: self.written.update({part: filled.lines}),
                engine,
                stop=stop or StopFlag(),
                meter=Meter(),
                journal=Journal(
                    self.completions, missing, lambda: engine.time if saves else 0.0, seconds=1.0
                ),
            )
        finally:
            self.completed += engine.completed


@given(lives=st.lists(st.integers(0, 40), max_size=4), items=st.integers(65, 400))
@settings(max_examples=25)
def test_no_completion_that_was_saved_is_made_again(
    tmp_path_factory: pytest.TempPathFactory, lives: list[int], items: int
) -> None:
    stage = Stage(tmp_path_factory.mktemp("store"), items)
    for life, polls in enumerate([*lives, 10**6]):
        with contextlib.suppress(KilledError):
            stage.live(life, polls)
    assert len(stage.completed) == 2 * items
    for part, lines in stage.written.items():
        seeds = [int(line.split()[1]) for line in lines]
        assert seeds == list(part_items(part, items)) * 2
    assert stage.completions.names() == []


def test_what_finished_since_the_last_save_is_made_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 100)
    with pytest.raises(KilledError):
        stage.live(0, 4, saves=False)
    assert len(stage.completed) == 80
    stage.live(1)
    assert len(stage.completed) == 280


def test_a_stop_saves_what_is_finished(tmp_path: Path) -> None:
    class Stopping(StopFlag):
        checks = 0

        def is_set(self) -> bool:
            self.checks += 1
            if self.checks == 5:
                self.set()
            return super().is_set()

    stage = Stage(tmp_path, 100)
    with pytest.raises(StoppedError):
        stage.live(0, saves=False, stop=Stopping())
    assert len(stage.completed) == 80
    stage.live(1)
    assert len(stage.completed) == 200


def test_a_damaged_object_costs_its_parts_and_not_the_stage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path, 100)
    with pytest.raises(KilledError):
        stage.live(0, 4)
    name = stage.completions.names()[0]
    stage.store.put(f"{work_folder('ns', 'key')}completions/{name}", b"damaged")
    stage.live(1)
    assert len(stage.completed) == 280
    assert "is damaged" in caplog.text


def test_objects_with_parts_of_another_worker_remain(tmp_path: Path) -> None:
    completions = CompletionStore(FolderStore(tmp_path), "ns", "key")
    other = Journal(completions, [0, 1], lambda: 0.0)
    for part in (0, 1):
        other.add(part, 0, Completion(f"{part}/0", "text", "stop", 1, 1, 0, (-1.5, float("-inf"))))
    other.save()
    journal = Journal(completions, [1], lambda: 0.0)
    assert journal.take(0, 0, "0/0") is None
    assert journal.take(1, 1, "1/0") is None
    taken = journal.take(1, 0, "1/0")
    assert taken == Completion("1/0", "text", "stop", 1, 1, 0, (-1.5, float("-inf")))
    journal.close(1)
    assert len(completions.names()) == 1


def test_a_slow_store_is_used_less_often(tmp_path: Path) -> None:
    time = 0.0

    class SlowStore(CompletionStore):
        saves = 0

        def save(self, lines: Sequence[bytes]) -> str:
            nonlocal time
            self.saves += 1
            time += 0.5
            return super().save(lines)

    store = SlowStore(FolderStore(tmp_path), "ns", "key")
    journal = Journal(store, [0], lambda: time)
    for item in range(200):
        time += 1.0
        journal.add(0, 0, Completion(f"0/{item}", "text", "stop", 1, 1))
        journal.save_if_due()
    # The first save is after 5 s. Each one takes 0.5 s, so the next is 50 s later.
    assert store.saves == 4
