"""The lines that workers add to their log files, for `isheep run --verbose`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from isheep.cli.terminal.text import printable
from isheep.local.events import AttemptView

MAX_BYTES = 256 * 1024
"""The end of the new text that is read at once; a library can write much more."""


class LogLines:
    """Reads each log file once, from its begin; a process writes one file for all its attempts."""

    def __init__(self) -> None:
        self._positions: dict[Path, int] = {}
        self._logs: dict[str, tuple[tuple[int, Path], ...]] = {}

    def new(self, attempt: AttemptView) -> Iterator[str]:
        """Yield the complete lines since the last call, each with the number of its worker."""
        workers = attempt.workers
        found = tuple((one.index, one.log) for one in workers if one.log is not None)
        self._logs[attempt.name] = found
        for index, log in found:
            yield from self._lines(index, log, whole=False)

    def rest(self, name: str) -> Iterator[str]:
        """Yield the lines that an attempt's workers have written until its end."""
        for index, log in self._logs.pop(name, ()):
            yield from self._lines(index, log, whole=True)

    def _lines(self, index: int, log: Path, *, whole: bool) -> Iterator[str]:
        for line in self._text(log, whole=whole).split("\n")[:-1]:
            # A progress bar writes over its own line; only its last state is of interest.
            last = line.rstrip("\r").rpartition("\r")[2]
            yield f"  worker {index}: {printable(last)}"

    def _text(self, log: Path, *, whole: bool) -> str:
        """Return the new text of a file up to the end of its last line.

        With `whole`, a last line without an end is complete, too.
        """
        try:
            with log.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(self._positions.get(log, 0), size - MAX_BYTES))
                begin, content = file.tell(), file.read(MAX_BYTES)
        except OSError:
            return ""
        if not whole:
            content = content[: content.rfind(b"\n") + 1]
        self._positions[log] = begin + len(content)
        ended = content if content.endswith(b"\n") or not content else content + b"\n"
        return ended.decode(errors="replace")
