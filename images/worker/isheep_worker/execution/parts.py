"""The loop of an inference stage: it submits requests, and writes each part when it is complete.

Worker i of P makes the parts i, i + P, … and skips those that are stored. The content of a part
therefore depends neither on the number of workers nor on how often one was killed. The requests of
a part are one group for the engine (or one group for each level), so the Transformers engine's
output is a function of the part alone. The loop opens the next parts while earlier ones are in
flight, so that the engine is always full and never waits for the slowest completion of a part. It
opens no more parts than that, because a kill loses the open parts.

The program of a part is a generator. It yields groups of requests, receives their completions in
the order of the requests, and returns its rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from isheep.recipes.interface import PART_ITEMS
from isheep_worker.engines.interface import Completion, Engine, Request
from isheep_worker.runtime.meter import Activity, Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.stopping import StopFlag

FEWEST_OPEN = 2
"""At least two parts are open: even for a small engine the next part starts early."""


@dataclass(frozen=True, slots=True)
class FilledPart:
    """The lines of a part in item order, and the part's share of the stage's statistics."""

    lines: list[bytes]
    statistics: dict[str, float]


PartProgram = Generator[list[Request], list[Completion], FilledPart]


@dataclass(slots=True)
class _OpenPart:
    """A part in flight: its program, and the completions of its current group so far."""

    index: int
    program: PartProgram
    waiting_for: list[str] = field(default_factory=list)
    arrived: dict[str, Completion] = field(default_factory=dict)


def part_count(items: int) -> int:
    """Return the number of parts for a number of items; 0 items have 0 parts."""
    return -(-items // PART_ITEMS)


def part_items(part: int, items: int) -> range:
    """Return the indices of a part's items."""
    return range(part * PART_ITEMS, min((part + 1) * PART_ITEMS, items))


def most_open(max_in_flight: int) -> int:
    """Return the largest number of open parts: those that the engine runs at once, plus one.

    `max_in_flight` is the engine's property, which is twice the number of requests that the engine
    runs at once.
    """
    return max(FEWEST_OPEN, part_count(max_in_flight // 2) + 1)


def own_parts(shard: Shard, count: int, existing: set[int]) -> list[int]:
    """Return the parts that this worker still has to make."""
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
    """Make the parts in order, and write each one when it is complete.

    Raises `StoppedError` if a stop is requested; the parts that are written remain.
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
            # Between two polls nothing is half written, so this is a safe point for a stop.
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
        """Send completions to the program, and submit the program's next group to the engine."""
        try:
            # The first `next` starts the program, and each `send` resumes it with completions.
            # An empty group needs no engine, so the program continues at once.
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
