"""What `isheep run --quiet` prints while the run goes on: failed attempts and notes."""

from __future__ import annotations

from isheep.cli.progress.plain import PlainView
from isheep.local.events import AttemptEnd, AttemptView


class QuietView(PlainView):
    """A listener that writes lines about what a user may have to act on."""

    def started(self, attempt: AttemptView) -> None:
        """Print nothing."""

    def progressed(self, attempt: AttemptView) -> None:
        """Print nothing."""

    def ended(self, end: AttemptEnd) -> None:
        """Print that an attempt failed."""
        if end.error is not None and end.stopped_at is None:
            super().ended(end)
