"""The loop over parts, with an engine that returns completions in any order."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.recipes.interface import PART_ITEMS, part_count
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution.parts import (
    FilledPart,
    PartProgram,
    fill_parts,
    own_parts,
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


@pytest.mark.parametrize("levels", [1, 3])
def test_an_item_counts_when_its_last_request_is_answered(levels: int) -> None:
    written = [0]
    seen: list[int] = []

    def write(part: int, filled: FilledPart) -> None:
        written[0] += len(part_items(part, 200))

    fill_parts(
        range(4),
        lambda part: program(part, 200, levels),
        write,
        ShuffledEngine(1),
        stop=StopFlag(),
        meter=Meter(),
        groups=levels,
        on_open_items=lambda count: seen.append(written[0] + count),
    )
    # The reports between two parts rise one by one, and not in steps of a part.
    assert len({count for count in seen if count % PART_ITEMS}) > 40
    assert max(seen) <= 200


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


@pytest.mark.parametrize("max_in_flight", [1, 16, 128, 130, 256, 512, 2048])
def test_only_requests_in_flight_limit_the_open_parts(max_in_flight: int) -> None:
    engine = ShuffledEngine(0, max_in_flight)
    items = 40 * PART_ITEMS
    fill_parts(
        range(40),
        lambda part: program(part, items, 1),
        lambda part, filled: None,
        engine,
        stop=StopFlag(),
        meter=Meter(),
    )
    assert max_in_flight <= engine.most_in_flight < max_in_flight + PART_ITEMS


class SteppingEngine:
    """Runs `slots` requests at once, one token a step; the length is the request's seed."""

    independent_requests = True

    def __init__(self, slots: int) -> None:
        self.max_in_flight = 2 * slots
        self.steps = 0
        self._slots = slots
        self._waiting: list[Request] = []
        self._running: dict[str, int] = {}

    @property
    def in_flight(self) -> int:
        return len(self._waiting) + len(self._running)

    def submit(self, group: Sequence[Request]) -> None:
        self._waiting += group

    def poll(self) -> list[Completion]:
        while self._waiting and len(self._running) < self._slots:
            first = self._waiting.pop(0)
            self._running[first.id] = first.seed
        self.steps += 1
        self._running = {id_: left - 1 for id_, left in self._running.items()}
        ended = [id_ for id_, left in self._running.items() if left == 0]
        for id_ in ended:
            del self._running[id_]
        return [Completion(id_, "", "stop", 1, 1) for id_ in ended]


def test_a_slow_completion_of_each_part_does_not_empty_the_engine() -> None:
    """Median 81 tokens, 90th percentile 405, at most 1,024, as in the paper's first iteration."""
    items, draw = 10 * PART_ITEMS, random.Random(0)
    lengths = [min(max(round(draw.lognormvariate(4.39, 1.26)), 1), 1024) for _ in range(items)]
    requests = [request(f"{i // PART_ITEMS}/{i}", length) for i, length in enumerate(lengths)]
    best = SteppingEngine(64)
    best.submit(requests)
    while best.in_flight:
        best.poll()

    def part_program(part: int) -> PartProgram:
        yield [requests[item] for item in part_items(part, items)]
        return FilledPart([], {})

    engine = SteppingEngine(64)
    fill_parts(
        range(part_count(items)),
        part_program,
        lambda part, filled: None,
        engine,
        stop=StopFlag(),
        meter=Meter(),
    )
    assert engine.steps <= 1.05 * best.steps


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


@pytest.mark.parametrize("max_in_flight", [100, 512])
@given(st.lists(st.integers(0, 150), max_size=5), st.integers(65, 640))
def test_every_item_is_made_however_often_the_worker_is_killed(
    max_in_flight: int, lives: list[int], items: int
) -> None:
    written: dict[int, list[bytes]] = {}
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
    assert sum(len(lines) for lines in written.values()) == items


def test_workers_divide_the_parts_and_skip_those_that_are_stored() -> None:
    shares = [own_parts(Shard(index, 3), 8, existing={3, 4}) for index in range(3)]
    assert shares == [[0, 6], [1, 7], [2, 5]]
    assert own_parts(Shard(2, 4), 2, existing=set()) == []


@pytest.mark.parametrize(("items", "count"), [(0, 0), (1, 1), (64, 1), (65, 2), (128, 2)])
def test_the_parts_contain_each_item_once(items: int, count: int) -> None:
    assert part_count(items) == count
    assert [i for part in range(count) for i in part_items(part, items)] == list(range(items))
