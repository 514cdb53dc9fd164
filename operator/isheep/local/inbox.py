"""The driver's inbox: the messages of its workers and the requests to stop, in their order.

The driver is one thread that waits in one place. Once it must wait for one answer of one worker:
whether an idle worker keeps its engine during a training. The inbox then keeps all other messages
for later, and a request to stop ends the wait, so a stop never waits for a model to move.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Generic, TypeVar

MessageT = TypeVar("MessageT")


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The user or the system requests that the driver stops."""


@dataclass(frozen=True, slots=True)
class RoomAnswer:
    """A worker answers a request for room; `keeps` is True if it keeps its engine.

    `worker` is the worker itself; the inbox only compares it.
    """

    worker: object
    keeps: bool


class Inbox(Generic[MessageT]):
    """A queue that one thread reads. Any thread and any signal handler may write into it."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Set the clock, in seconds, which limits the wait for an answer."""
        # `SimpleQueue.put` is reentrant, so a signal handler may call it.
        self._queue: SimpleQueue[MessageT | StopRequested | RoomAnswer] = SimpleQueue()
        self._kept: deque[MessageT | StopRequested] = deque()
        self._clock = clock

    def put(self, message: MessageT | StopRequested | RoomAnswer) -> None:
        """Add a message."""
        self._queue.put(message)

    def get(self, timeout: float | None = None) -> MessageT | StopRequested:
        """Return the next message.

        Raises:
            Empty: No message came in `timeout` seconds.
        """
        if self._kept:
            return self._kept.popleft()
        message = self._queue.get(timeout=timeout)
        while isinstance(message, RoomAnswer):  # nobody waits for this answer any more
            message = self._queue.get(timeout=timeout)
        return message

    @property
    def has_stop(self) -> bool:
        """Whether a wait for an answer has met a request to stop that is not read yet."""
        return any(isinstance(message, StopRequested) for message in self._kept)

    def room_answer(self, worker: object, seconds: float) -> bool:
        """Wait for the answer of a worker to a request for room; all other messages stay.

        Args:
            worker: The worker.
            seconds: How long to wait.

        Returns:
            Whether the worker keeps its engine; False if it does not answer, or if a stop is
            requested before it answers.
        """
        until = self._clock() + seconds
        if self.has_stop:
            return False
        while (left := until - self._clock()) > 0:
            try:
                message = self._queue.get(timeout=left)
            except Empty:
                return False
            if isinstance(message, RoomAnswer):
                if message.worker is worker:
                    return message.keeps
                continue
            self._kept.append(message)
            if isinstance(message, StopRequested):
                return False
        return False
