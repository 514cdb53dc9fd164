"""Noticing a stop string while tokens arrive, and trimming the text as vLLM does.

A stop string may begin in the middle of one token and end in the middle of another, so
it is looked for in text. To decode everything after every token would take time
quadratic in the length; a window of the last few tokens is enough to notice it, and only
then the whole text is decoded, once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# Tokens looked at beyond those that a stop string can fill (a token has a byte or more).
SLACK = 8

Decode = Callable[[Sequence[int]], str]


class StopStrings:
    """The stop strings of one completion. Feed it tokens; it says when the text is over."""

    def __init__(self, stops: Sequence[str], decode: Decode, hidden: frozenset[int]) -> None:
        """Take the strings, a decoder, and the ids of which `decode` shows nothing."""
        self._stops = tuple(stops)
        self._decode = decode
        self._hidden = hidden
        self._window = max((len(s.encode()) for s in stops), default=0) + SLACK
        self._visible: list[int] = []

    def feed(self, token: int) -> str | None:
        """Take the next token. Returns the text before the first stop string, once there is one."""
        if token in self._hidden:
            return None
        self._visible.append(token)
        if not self._stops:
            return None
        tail = self._decode(self._visible[-self._window :])
        if not any(stop in tail for stop in self._stops):
            return None
        text = self.text()
        starts = [start for stop in self._stops if (start := text.find(stop)) >= 0]
        return text[: min(starts)] if starts else None

    def text(self) -> str:
        """Return the text of all tokens so far."""
        return self._decode(self._visible)
