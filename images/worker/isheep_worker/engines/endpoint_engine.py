"""An endpoint as an engine: a fixed number of requests at the same time, one thread each.

The stages use an endpoint as they use a loaded model, so they store its answers in the same way,
and a stage that was killed asks nothing again but what was in flight. The threads are daemons: a
server that never answers must not keep a worker that was told to stop.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from isheep_worker.engines.adapter import Adapter
from isheep_worker.engines.interface import Completion, Request

POLL_SECONDS = 0.5
"""How long `poll` waits for an answer, so that a stop is noticed."""


class EndpointEngine:
    """Sends requests with `Request.text` to an endpoint."""

    independent_requests = True

    def __init__(self, complete: Callable[[Request], Completion], concurrency: int) -> None:
        """Take the function that answers a request, and how many calls may run at once."""
        self._complete = complete
        self._concurrency = concurrency
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Completion | Exception] = queue.SimpleQueue()
        self.threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self._error: Exception | None = None
        self.in_flight = 0

    @property
    def max_in_flight(self) -> int:
        """Twice the number of requests at the same time."""
        return 2 * self._concurrency

    def submit(self, group: Sequence[Request]) -> None:
        """Queue a group of requests; raises `ValueError` if one has no text."""
        if any(not request.text for request in group):
            raise ValueError("an endpoint needs requests with a text")
        for request in group:
            self._waiting.put(request)
        self.in_flight += len(group)
        for _ in range(min(self._concurrency, self.in_flight) - len(self.threads)):
            thread = threading.Thread(target=self._work, daemon=True, name="endpoint")
            self.threads.append(thread)
            thread.start()

    def poll(self) -> list[Completion]:
        """Return the answers that have arrived; raises the error of a request that failed.

        Answers that arrived before the error are returned first, so that they can be stored.
        """
        found: list[Completion] = []
        if self.in_flight and self._error is None:
            with suppress(queue.Empty):
                self._take(found, self._answers.get(timeout=POLL_SECONDS))
                while True:
                    self._take(found, self._answers.get_nowait())
        if self._error is not None and not found:
            raise self._error
        return found

    def adapt(self, adapter: Adapter | None) -> None:
        """Do nothing without an adapter; an endpoint takes none."""
        if adapter is not None:
            raise ValueError("an endpoint takes no adapter")

    def sleep(self) -> bool:
        """Return that an endpoint does not sleep: it has no memory here."""
        return False

    def wake(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Send no further request."""
        self._closed.set()
        for _ in self.threads:
            self._waiting.put(None)

    def _take(self, found: list[Completion], answer: Completion | Exception) -> None:
        if isinstance(answer, Completion):
            found.append(answer)
            self.in_flight -= 1
        else:
            self.close()
            self._error = answer

    def _work(self) -> None:
        while (request := self._waiting.get()) is not None and not self._closed.is_set():
            try:
                self._answers.put(self._complete(request))
            except Exception as error:  # noqa: BLE001 (the thread of the stage raises it)
                self._answers.put(error)
