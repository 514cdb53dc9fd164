"""Detection of stop strings during generation; the text is trimmed in the same way as in vLLM.

A stop string may begin inside one token and end inside another one, so the search is in decoded
text. Decoding the whole text after each token would take time quadratic in its length. Therefore
the search decodes a window of the last tokens only, and the whole text once, when it finds a match.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# Extra tokens in the window. A stop string has at most as many tokens as bytes.
SLACK = 8

Decode = Callable[[Sequence[int]], str]


class StopStrings:
    """Searches the stop strings in the tokens of one completion."""

    def __init__(self, stops: Sequence[str], decode: Decode, hidden: frozenset[int]) -> None:
        """Search `stops`; `hidden` are the ids that `decode` leaves out of its text."""
        self._stops = tuple(stops)
        self._decode = decode
        self._hidden = hidden
        self._window = max((len(s.encode()) for s in stops), default=0) + SLACK
        self._visible: list[int] = []

    def feed(self, token: int) -> str | None:
        """Add a token; return the text before the first stop string, or None if there is none."""
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
