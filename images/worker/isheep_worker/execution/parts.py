"""How an inference stage fills its parts: a stream of requests, parts written as they complete.

Worker i of P takes the parts i, i + P, … and skips those that exist, so the parts do not
depend on how many workers there are nor on how often one was killed. What is asked for
one part is one group to the engine (or one a level), which makes the Transformers
engine's output a function of the part alone. New parts are begun while those before
are in flight, so that the engine is full and never waits for the slowest completion of a
part. No more than that are open, because what is open is what a kill costs.

A part is written as a generator: it yields groups of requests, is sent their completions
in the order of the requests, and returns its rows.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from isheep.recipes.interface import PART_ITEMS
from isheep_worker.engines.interface import Completion, Engine, Request
from isheep_worker.runtime.meter import Activity, Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.stopping import StopFlag

FEWEST_OPEN = 2
"""However little an engine works on at once, the next part is begun before one is complete."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilledPart:
    """A part's lines in item order, and what it adds to the stage's statistics."""

    lines: list[bytes]
    statistics: dict[str, float]


PartProgram = Generator[list[Request], list[Completion], FilledPart]


@dataclass(slots=True)
class _OpenPart:
    """A part in flight: the program, and the completions of its group so far."""

    index: int
    program: PartProgram
    waiting_for: list[str] = field(default_factory=list)
    arrived: dict[str, Completion] = field(default_factory=dict)


def part_count(items: int) -> int:
    """Return how many parts so many items have; no items are no parts."""
    return -(-items // PART_ITEMS)


def part_items(part: int, items: int) -> range:
    """Return the numbers of a part's items."""
    return range(part * PART_ITEMS, min((part + 1) * PART_ITEMS, items))


def most_open(max_in_flight: int) -> int:
    """Return how many parts may be open: those an engine works on at once, and one more.

    `max_in_flight` is the engine's, twice what it works on at once.
    """
    return max(FEWEST_OPEN, part_count(max_in_flight // 2) + 1)


def own_parts(shard: Shard, count: int, existing: set[int]) -> list[int]:
    """Return the parts that this worker has to fill."""
    return [part for part in range(shard.index, count, shard.count) if part not in existing]


def fill_parts(
    parts: Sequence[int],
    program_of: Callable[[int], PartProgram],
    write: Callable[[int, FilledPart], None],
    engine: Engine,
    *,
    stop: StopFlag,
    meter: Meter,
) -> None:
    """Fill the parts in order and write each as soon as it is complete.

    Raises `StoppedError` where a stop is asked for; what was written stays.
    """
    _Stream(engine, program_of, write, meter).run(deque(parts), stop)


class _Stream:
    def __init__(
        self,
        engine: Engine,
        program_of: Callable[[int], PartProgram],
        write: Callable[[int, FilledPart], None],
        meter: Meter,
    ) -> None:
        self._engine = engine
        self._program_of = program_of
        self._write = write
        self._meter = meter
        self._open: dict[int, _OpenPart] = {}

    def run(self, pending: deque[int], stop: StopFlag) -> None:
        while pending or self._open:
            stop.check()
            while pending and self._has_room():
                self._begin(pending.popleft())
            with self._meter.measure(Activity.ENGINE):
                finished = self._engine.poll()
            for completion in finished:
                self._arrive(completion)

    def _has_room(self) -> bool:
        most = self._engine.max_in_flight
        return len(self._open) < most_open(most) and self._engine.in_flight < most

    def _begin(self, index: int) -> None:
        part = _OpenPart(index, self._program_of(index))
        self._open[index] = part
        self._advance(part, None)

    def _arrive(self, completion: Completion) -> None:
        part = self._open[int(completion.id.partition("/")[0])]
        part.arrived[completion.id] = completion
        if len(part.arrived) == len(part.waiting_for):
            self._advance(part, [part.arrived[id_] for id_ in part.waiting_for])

    def _advance(self, part: _OpenPart, completions: list[Completion] | None) -> None:
        """Give the program what it waits for, and the engine what it asks next."""
        try:
            # An empty group needs no engine; the program goes on at once.
            group = next(part.program) if completions is None else part.program.send(completions)
            while not group:
                group = part.program.send([])
        except StopIteration as end:
            del self._open[part.index]
            self._write(part.index, end.value)
            return
        part.waiting_for = [request.id for request in group]
        part.arrived = {}
        with self._meter.measure(Activity.ENGINE):
            self._engine.submit(group)
