"""How a worker is stopped: a flag that stages check at each point at which stopping is safe.

Nothing is interrupted. A signal handler, or the end of the driver's input, sets the flag. A stage
that finds the flag set discards the data that it has not written and raises `StoppedError`. A
worker that reaches no safe point in time is killed, which costs only the parts in flight.
"""

from __future__ import annotations

from isheep_worker.runtime.errors import StoppedError


class StopFlag:
    """A flag that is set once and never cleared.

    The flag is a plain attribute without a lock, so that signal handlers may set it.
    """

    def __init__(self) -> None:
        self._requested = False

    def set(self) -> None:
        """Request a stop; any thread and any signal handler may call this."""
        self._requested = True

    def is_set(self) -> bool:
        """Return whether a stop is requested."""
        return self._requested

    def check(self) -> None:
        """Raise `StoppedError` if a stop is requested; call this at a safe point only."""
        if self._requested:
            raise StoppedError("stopped on request; committed stages and stored parts remain")
