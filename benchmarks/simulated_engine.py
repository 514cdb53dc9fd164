"""An engine that counts decode steps instead of computing tokens, with realistic lengths.

It runs a fixed number of sequences at once, first come first served, as vLLM does, and each step
gives one token to each running sequence. The length of a completion is drawn from a log-normal
distribution by the request's seed. The default has the lengths of the paper's own responses of
iteration 1: median 81 tokens, 90th percentile 405, and a long tail up to the limit.

Steps are the cost of decoding on a GPU, so the ratio of two numbers of steps tells how full a way
to submit requests keeps an engine of any speed.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from isheep_worker.engines.adapter import Adapter
from isheep_worker.engines.interface import Completion, Request

_Z90 = 1.2815515655446004
"""The 90th percentile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """A log-normal distribution of lengths in tokens, cut at `longest`."""

    median: int = 81
    p90: int = 405
    longest: int = 1024

    def draw(self, seed: int) -> int:
        """Return the length for a seed."""
        sigma = math.log(self.p90 / self.median) / _Z90
        length = round(self.median * math.exp(sigma * random.Random(seed).gauss(0, 1)))
        return min(max(length, 1), self.longest)


class Killed(BaseException):
    """The process of the engine was killed; no handler of the worker sees it."""


class SimulatedEngine:
    """Implements `Engine`. `steps` and `tokens` count what it ran; `kill_after` is in tokens."""

    independent_requests = True

    def __init__(self, slots: int, lengths: Lengths, kill_after: float = math.inf) -> None:
        self.max_in_flight = 2 * slots
        self.steps = 0
        self.tokens = 0
        self._slots = slots
        self._lengths = lengths
        self._kill_after = kill_after
        self._queue: deque[Request] = deque()
        self._running: dict[str, int] = {}
        self._lengths_of: dict[str, int] = {}

    @property
    def running_tokens(self) -> int:
        """Tokens of the sequences that are not complete."""
        return sum(self._lengths_of[id_] - left for id_, left in self._running.items())

    @property
    def in_flight(self) -> int:
        """Requests that are queued or running."""
        return len(self._queue) + len(self._running)

    def submit(self, group: Sequence[Request]) -> None:
        """Queue a group."""
        self._queue.extend(group)

    def poll(self) -> list[Completion]:
        """Run one step; raise `Killed` after the last token that the engine may generate."""
        while self._queue and len(self._running) < self._slots:
            request = self._queue.popleft()
            length = self._lengths.draw(request.seed)
            self._running[request.id] = self._lengths_of[request.id] = length
        if not self._running:
            return []
        self.steps += 1
        self.tokens += len(self._running)
        if self.tokens > self._kill_after:
            raise Killed
        ended = [id_ for id_, left in self._running.items() if left == 1]
        self._running = {id_: left - 1 for id_, left in self._running.items() if left > 1}
        return [Completion(id_, "", "stop", 1, 1) for id_ in ended]

    def sleep(self) -> bool:
        """There is no device whose memory could be freed."""
        return True

    def wake(self) -> None:
        """The engine serves at once."""

    def adapt(self, adapter: Adapter | None) -> None:
        """Ignore the adapter."""

    def close(self) -> None:
        """Do nothing: no device is used."""
