"""The loop over parts, with an engine that returns completions in any order."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.recipes.interface import PART_ITEMS
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.parts import (
    FilledPart,
    PartProgram,
    fill_parts,
    most_open,
    own_parts,
    part_count,
    part_items,
)
from isheep_worker.runtime.errors import StoppedError
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.stopping import StopFlag


class ShuffledEngine:
    """Completes a few random requests at each poll; the text is the request's seed."""

    def __init__(self, seed: int, max_in_flight: int = 100) -> None:
        self._random = random.Random(seed)
        self._waiting: list[Request] = []
        self.max_in_flight = max_in_flight
        self.groups: list[list[str]] = []
        self.most_in_flight = 0

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    def submit(self, group: Sequence[Request]) -> None:
        self.groups.append([request.id for request in group])
        self._waiting += group
        self.most_in_flight = max(self.most_in_flight, len(self._waiting))

    def poll(self) -> list[Completion]:
        self._random.shuffle(self._waiting)
        count = self._random.randint(0, 5)
        done, self._waiting = self._waiting[:count], self._waiting[count:]
        return [Completion(r.id, f"text {r.seed}", "stop", 1, 1) for r in done]

    def close(self) -> None:
        self._waiting.clear()


def request(id_: str, seed: int) -> Request:
    return Request(id_, (1,), seed, temperature=1.0, top_p=1.0, max_tokens=1)


def program(part: int, items: int, levels: int) -> PartProgram:
    texts = []
    for level in range(levels):
        completions = yield [
            request(f"{part}/{level}/{item}", item) for item in part_items(part, items)
        ]
        texts += [completion.text for completion in completions]
    return FilledPart([text.encode() for text in texts], {"items": len(texts)})


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("items", "levels"), [(1, 1), (64, 1), (200, 2), (320, 3)])
def test_parts_have_their_items_in_order_for_every_order_of_completions(
    seed: int, items: int, levels: int
) -> None:
    written: dict[int, list[bytes]] = {}
    engine = ShuffledEngine(seed)

    def write(part: int, filled: FilledPart) -> None:
        assert part not in written
        written[part] = filled.lines

    parts = range(part_count(items))
    fill_parts(
        parts,
        lambda part: program(part, items, levels),
        write,
        engine,
        stop=StopFlag(),
        meter=Meter(),
    )
    expected = {p: [f"text {i}".encode() for i in part_items(p, items)] * levels for p in parts}
    assert written == expected
    assert len(engine.groups) == len(parts) * levels
    assert engine.most_in_flight <= 2 * PART_ITEMS


def test_the_next_part_begins_before_the_first_is_complete() -> None:
    engine = ShuffledEngine(0)
    order: list[str] = []

    def watched(part: int) -> PartProgram:
        order.append(f"begin {part}")
        return program(part, 192, 1)

    def write(part: int, filled: FilledPart) -> None:
        order.append(f"write {part}")

    fill_parts([0, 1, 2], watched, write, engine, stop=StopFlag(), meter=Meter())
    assert order[:2] == ["begin 0", "begin 1"]


def test_a_full_engine_gets_no_second_part() -> None:
    engine = ShuffledEngine(0, max_in_flight=1)
    fill_parts(
        [0, 1, 2],
        lambda part: program(part, 192, 1),
        lambda part, filled: None,
        engine,
        stop=StopFlag(),
        meter=Meter(),
    )
    assert engine.most_in_flight == 64


@pytest.mark.parametrize(
    ("max_in_flight", "parts"),
    [(1, 2), (16, 2), (128, 2), (130, 3), (256, 3), (512, 5), (2048, 17)],
)
def test_a_larger_engine_gets_more_open_parts(max_in_flight: int, parts: int) -> None:
    assert most_open(max_in_flight) == parts
    engine = ShuffledEngine(0, max_in_flight)
    items = 20 * PART_ITEMS
    fill_parts(
        range(20),
        lambda part: program(part, items, 1),
        lambda part, filled: None,
        engine,
        stop=StopFlag(),
        meter=Meter(),
    )
    at_once = max_in_flight // 2
    assert at_once <= engine.most_in_flight < at_once + 2 * PART_ITEMS


def test_a_program_continues_after_an_empty_group() -> None:
    def with_empty_groups(part: int) -> PartProgram:
        assert (yield []) == []
        assert (yield []) == []
        return FilledPart([b"done"], {})

    written: list[int] = []
    fill_parts(
        [0, 1, 2],
        with_empty_groups,
        lambda part, filled: written.append(part),
        ShuffledEngine(0),
        stop=StopFlag(),
        meter=Meter(),
    )
    assert written == [0, 1, 2]


def test_parts_that_are_written_remain_after_a_stop() -> None:
    stop = StopFlag()
    written: list[int] = []

    def write(part: int, filled: FilledPart) -> None:
        written.append(part)
        stop.set()

    with pytest.raises(StoppedError):
        fill_parts(
            range(5),
            lambda part: program(part, 320, 1),
            write,
            ShuffledEngine(0),
            stop=stop,
            meter=Meter(),
        )
    assert 1 <= len(written) <= 2


class KilledError(Exception):
    """Simulates SIGKILL: no code after it runs."""


class MortalEngine(ShuffledEngine):
    """Raises `KilledError` at its n-th poll."""

    def __init__(self, seed: int, polls: int, max_in_flight: int) -> None:
        super().__init__(seed, max_in_flight)
        self._left = polls

    def poll(self) -> list[Completion]:
        if self._left == 0:
            raise KilledError
        self._left -= 1
        return super().poll()


@pytest.mark.parametrize(("max_in_flight", "parts"), [(100, 2), (512, 5)])
@given(st.lists(st.integers(0, 150), max_size=5), st.integers(65, 640))
def test_a_kill_costs_at_most_the_open_parts(
    max_in_flight: int, parts: int, lives: list[int], items: int
) -> None:
    written: dict[int, list[bytes]] = {}
    requested = 0
    for number, polls in enumerate([*lives, 10**9]):
        engine = MortalEngine(number, polls, max_in_flight)
        with contextlib.suppress(KilledError):
            fill_parts(
                own_parts(Shard(0, 1), part_count(items), set(written)),
                lambda part: program(part, items, 1),
                lambda part, filled: written.update({part: filled.lines}),
                engine,
                stop=StopFlag(),
                meter=Meter(),
            )
        requested += sum(len(group) for group in engine.groups)
    assert sum(len(lines) for lines in written.values()) == items
    assert requested <= items + len(lives) * parts * PART_ITEMS


def test_workers_divide_the_parts_and_skip_those_that_are_stored() -> None:
    shares = [own_parts(Shard(index, 3), 8, existing={3, 4}) for index in range(3)]
    assert shares == [[0, 6], [1, 7], [2, 5]]
    assert own_parts(Shard(2, 4), 2, existing=set()) == []


@pytest.mark.parametrize(("items", "count"), [(0, 0), (1, 1), (64, 1), (65, 2), (128, 2)])
def test_the_parts_contain_each_item_once(items: int, count: int) -> None:
    assert part_count(items) == count
    assert [i for part in range(count) for i in part_items(part, items)] == list(range(items))
