"""The stores that do not answer this process now.

A call to a store is repeated for five minutes before it fails. In this time nothing else shows why
a stage makes no progress, so the process can say it: `listen` gets each change. Calls come from
several threads, and each store of the process counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

OnChange = Callable[[str], None]
"""Called with what the process waits for, and with an empty text when every store answers again."""


class Outages:
    """The stores that do not answer, by URI, with the code of the last error."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._codes: dict[str, str] = {}
        self._on_change: OnChange | None = None

    def listen(self, on_change: OnChange) -> None:
        """Report each change to a function, in place of the earlier one."""
        self._on_change = on_change

    def begin(self, uri: str, code: str) -> None:
        """Note that a call failed and is repeated; `code` is the code of its error."""
        self._change({**self._codes, uri: code})

    def end(self, uri: str) -> None:
        """Note that a store has answered."""
        # Almost every call ends here, so the lock is for outages only.
        if uri in self._codes:
            self._change({other: code for other, code in self._codes.items() if other != uri})

    def _change(self, codes: dict[str, str]) -> None:
        with self._lock:
            if codes != self._codes:
                self._codes = codes
                if self._on_change is not None:
                    self._on_change(_text(codes))


OUTAGES = Outages()
"""The outages of this process, in which a store is opened in many places."""


def _text(codes: dict[str, str]) -> str:
    found = [f"{uri} does not answer ({code})" for uri, code in sorted(codes.items())]
    return "; ".join(found)
