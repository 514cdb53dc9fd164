"""How a worker is asked to stop: a flag that stages look at wherever stopping is safe.

Nothing is interrupted. A signal handler, or the end of the driver's input, sets the
flag; a stage that sees it leaves what it has not written and raises `StoppedError`.
A worker that does not come to a safe point in time is killed like any other, which
costs only the parts in flight.
"""

from __future__ import annotations

from isheep_worker.runtime.orders import StoppedError


class StopFlag:
    """Set once, never cleared. A plain attribute, so that signal handlers may set it."""

    def __init__(self) -> None:
        self._asked = False

    def set(self) -> None:
        """Ask for a stop; from any thread, and from a signal handler."""
        self._asked = True

    def is_set(self) -> bool:
        """Return whether a stop is asked for."""
        return self._asked

    def check(self) -> None:
        """Raise `StoppedError` where a stop is asked for: this is a safe point."""
        if self._asked:
            raise StoppedError("stopped on request; what is committed stays")
