"""The loop of an inference stage: it submits requests, and writes each part when it is complete.

Worker i of P makes the parts i, i + P, … and skips those that are stored. The content of a part
therefore depends neither on the number of workers nor on how often one was killed. The requests of
a part are one group for the engine (or one group for each level), so the Transformers engine's
output is a function of the part alone.

Only the number of requests in flight limits the number of open parts. A limit on open parts would
leave the engine half empty: with realistic lengths, the slowest completion of a part needs five
times as many steps as the mean one. The journal stores the finished completions of open parts.

An item of an open part counts as done when its last request is answered: a part may take minutes.

The program of a part is a generator. It yields groups of requests, receives their completions in
the order of the requests, and returns its rows.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from isheep.recipes.interface import PART_ITEMS
from isheep_worker.engines.interface import Completion, Engine, Request
from isheep_worker.runtime.meter import Activity, Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.stopping import StopFlag


@dataclass(frozen=True, slots=True)
class FilledPart:
    """The lines of a part in item order, and the part's share of the stage's statistics."""

    lines: list[bytes]
    statistics: dict[str, float]


PartProgram = Generator[list[Request], list[Completion], FilledPart]


class CompletionJournal(Protocol):
    """What the loop needs of `journal.Journal`."""

    def take(self, part: int, group: int, request_id: str) -> Completion | None:
        """Return the stored completion of a request, or None."""

    def add(self, part: int, group: int, completion: Completion) -> None:
        """Note a completion of an open part."""

    def close(self, part: int) -> None:
        """Forget a part that is stored."""

    def save_if_due(self) -> None:
        """Store the completions that are not stored yet, if the last save is long enough ago."""

    def save(self) -> None:
        """Store the completions that are not stored yet."""


class NoJournal:
    """For an engine whose completions depend on their group: a part starts again as a whole."""

    def take(self, part: int, group: int, request_id: str) -> Completion | None:  # noqa: ARG002
        """Return None: nothing is stored."""
        return None

    def add(self, part: int, group: int, completion: Completion) -> None:
        """Do nothing."""

    def close(self, part: int) -> None:
        """Do nothing."""

    def save_if_due(self) -> None:
        """Do nothing."""

    def save(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class _OpenPart:
    """A part in flight: its program, and the completions of its current group so far."""

    index: int
    program: PartProgram
    group: int = -1
    waiting_for: list[str] = field(default_factory=list)
    arrived: dict[str, Completion] = field(default_factory=dict)
    unanswered: Counter[str] = field(default_factory=Counter)
    """The number of requests of each item in the last group that are not answered yet."""
    done: int = 0

    def completions(self) -> list[Completion]:
        """Return the completions of the current group in the order of its requests."""
        return [self.arrived[id_] for id_ in self.waiting_for]

    def count(self, request_id: str) -> None:
        """Count the item of an answered request if this was its last one."""
        item = _item(request_id)
        self.unanswered[item] -= 1
        self.done += self.unanswered[item] == 0


def part_items(part: int, items: int) -> range:
    """Return the indices of a part's items."""
    return range(part * PART_ITEMS, min((part + 1) * PART_ITEMS, items))


def own_parts(shard: Shard, count: int, existing: set[int]) -> list[int]:
    """Return the parts that this worker still has to make."""
    own = range(shard.index, count, shard.count) if shard.parts is None else sorted(shard.parts)
    return [part for part in own if part not in existing]


def fill_parts(
    parts: Sequence[int],
    program_of: Callable[[int], PartProgram],
    write: Callable[[int, FilledPart], None],
    engine: Engine,
    *,
    stop: StopFlag,
    meter: Meter,
    journal: CompletionJournal | None = None,
    groups: int = 1,
    on_open_items: Callable[[int], None] = lambda _: None,
) -> None:
    """Make the parts in order, and write each one when it is complete.

    An item is done when its requests in the group with number `groups` of its part are answered;
    the end of a request's id names its item. `on_open_items` gets the number of done items in parts
    that are not written yet, after each change.

    Raises `StoppedError` if a stop is requested; the written parts and the journal remain.
    """
    stream = _Stream(engine, program_of, write, meter, journal or NoJournal())
    stream.last_group, stream.on_open_items = groups - 1, on_open_items
    stream.run(deque(parts), stop)


def _item(request_id: str) -> str:
    return request_id.rpartition("/")[2]


class _Stream:
    def __init__(
        self,
        engine: Engine,
        program_of: Callable[[int], PartProgram],
        write: Callable[[int, FilledPart], None],
        meter: Meter,
        journal: CompletionJournal,
    ) -> None:
        self._engine = engine
        self._program_of = program_of
        self._write = write
        self._meter = meter
        self._journal = journal
        self._open: dict[int, _OpenPart] = {}
        self.last_group = 0
        self.on_open_items: Callable[[int], None] = lambda _: None

    def run(self, pending: deque[int], stop: StopFlag) -> None:
        while pending or self._open:
            if stop.is_set():
                self._journal.save()
            # Between two polls nothing is half written, so this is a safe point for a stop.
            stop.check()
            while pending and self._engine.in_flight < self._engine.max_in_flight:
                self._begin(pending.popleft())
            with self._meter.measure(Activity.ENGINE):
                finished = self._engine.poll()
            for completion in finished:
                self._arrive(completion)
            if finished:
                self._report_items()
            self._journal.save_if_due()

    def _begin(self, index: int) -> None:
        part = _OpenPart(index, self._program_of(index))
        self._open[index] = part
        self._advance(part, None)

    def _arrive(self, completion: Completion) -> None:
        part = self._open[int(completion.id.partition("/")[0])]
        part.arrived[completion.id] = completion
        self._journal.add(part.index, part.group, completion)
        if part.group == self.last_group:
            part.count(completion.id)
        if len(part.arrived) == len(part.waiting_for):
            self._advance(part, part.completions())

    def _advance(self, part: _OpenPart, completions: list[Completion] | None) -> None:
        """Send completions to the program, and submit the program's next group to the engine.

        A group that needs no engine, because it is empty or in the journal, is answered at once.
        """
        while True:
            try:
                # The first `next` starts the program; each `send` resumes it with completions.
                group = (
                    next(part.program) if completions is None else part.program.send(completions)
                )
            except StopIteration as end:
                del self._open[part.index]
                self._report_items()
                self._write(part.index, end.value)
                self._journal.close(part.index)
                return
            missing = self._take_stored(part, group)
            if missing:
                with self._meter.measure(Activity.ENGINE):
                    self._engine.submit(missing)
                return
            completions = part.completions()

    def _report_items(self) -> None:
        self.on_open_items(sum(part.done for part in self._open.values()))

    def _take_stored(self, part: _OpenPart, group: Sequence[Request]) -> list[Request]:
        """Begin a group with its completions in the journal, and return the other requests."""
        part.group += 1
        part.waiting_for = [request.id for request in group]
        stored = (self._journal.take(part.index, part.group, id_) for id_ in part.waiting_for)
        part.arrived = {completion.id: completion for completion in stored if completion}
        if part.group == self.last_group:
            part.unanswered = Counter(_item(id_) for id_ in part.waiting_for)
            for id_ in part.arrived:
                part.count(id_)
        return [request for request in group if request.id not in part.arrived]
