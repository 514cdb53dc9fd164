"""The lines that a worker writes to its parent process: progress, and the result of an order.

Each line is a JSON object: `{"type": "progress", …}`, `{"type": "committed", "step":
<StepResult>}`, `{"type": "waits", "for": "…"}` or `{"type": "result", "result": <StageResult>,
"exitCode": n}`. The local worker writes to the driver, and a pod's worker to its supervisor. The
local worker also answers requests for room (`driver_lines`). The lines have a separate stream,
which libraries do not print to. The reader nevertheless checks every line, because the writer may
be killed at any byte.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from isheep.contract.order import StageResult, StepResult, dump_result
from isheep_worker.runtime.progress import Report

MAX_LINE_BYTES = 64 * 1024
"""More than any valid line has; a longer line is read in pieces, which are not valid."""
MAX_WAITS_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Waits:
    """What a worker waits for: a store that does not answer. An empty text ends the wait."""

    text: str


class Channel:
    """The only writer of the lines. Any thread may write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def report(self, report: Report) -> None:
        """Write a progress line."""
        self._write({"type": "progress", **report.document()})

    def committed(self, step: StepResult) -> None:
        """Write a line about a stage that a walk has found committed."""
        self._write({"type": "committed", "step": step.model_dump(mode="json", by_alias=True)})

    def waits(self, text: str) -> None:
        """Write what the worker waits for; an empty text ends the wait."""
        self._write({"type": "waits", "for": text[:MAX_WAITS_CHARACTERS]})

    def result(self, result: StageResult) -> None:
        """Write a result line."""
        document = json.loads(dump_result(result))
        self._write({"type": "result", "result": document, "exitCode": result.exit_code})

    def room(self, *, keeps: bool) -> None:
        """Write whether the engine of this process stays during a training."""
        self._write({"type": "room", "keeps": keeps})

    def _write(self, document: dict[str, object]) -> None:
        # The end of the reader shows in other ways as well: the end of stdin, or a signal.
        with suppress(BrokenPipeError), self._lock:
            self._stream.write(json.dumps(document, separators=(",", ":")) + "\n")
            self._stream.flush()


def read_lines(stream: BinaryIO) -> Iterator[Report | StepResult | Waits | StageResult]:
    """Yield the messages of a worker's lines as they arrive; skip invalid lines."""
    while line := stream.readline(MAX_LINE_BYTES):
        parsed = _parse(line)
        if parsed is not None:
            yield parsed


def _parse(line: bytes) -> Report | StepResult | Waits | StageResult | None:
    try:
        document = json.loads(line)
        if document["type"] == "progress":
            return Report.from_document(document)
        if document["type"] == "committed":
            return StepResult.model_validate(document["step"])
        if document["type"] == "waits":
            return Waits(str(document["for"])[:MAX_WAITS_CHARACTERS])
        if document["type"] == "result":
            return StageResult.model_validate(document["result"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return None
