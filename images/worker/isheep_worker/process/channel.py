"""The lines that a worker writes to whoever started it: how far it is, and how an order ended.

Each is a JSON object, `{"type": "progress", …}` or `{"type": "result", "result":
<StageResult>, "exitCode": n}`. `serve` writes them to the local driver, a pod's child to
its supervisor. They have a stream of their own, so what libraries print is never among
them; a reader still takes nothing for granted, for the writer may be killed anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, TextIO

from isheep.contract.order import StageResult, dump_result
from isheep_worker.runtime.progress import Report

MAX_LINE_BYTES = 64 * 1024
"""Far above any line of ours; a longer one is read in pieces, none of which is understood."""


class Channel:
    """The one writer of the lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def report(self, report: Report) -> None:
        """Write a progress line."""
        self._write({"type": "progress", **report.document()})

    def result(self, result: StageResult) -> None:
        """Write a result line."""
        document = json.loads(dump_result(result))
        self._write({"type": "result", "result": document, "exitCode": result.exit_code})

    def _write(self, document: dict[str, object]) -> None:
        # A reader that is gone says so by its other signs (the end of stdin, a kill).
        with suppress(BrokenPipeError):
            self._stream.write(json.dumps(document, separators=(",", ":")) + "\n")
            self._stream.flush()


def read_lines(stream: BinaryIO) -> Iterator[Report | StageResult]:
    """Yield what a worker's lines say, as they come; what is no such line is left out."""
    while line := stream.readline(MAX_LINE_BYTES):
        said = _parse(line)
        if said is not None:
            yield said


def _parse(line: bytes) -> Report | StageResult | None:
    try:
        document = json.loads(line)
        if document["type"] == "progress":
            return Report.from_document(document)
        if document["type"] == "result":
            return StageResult.model_validate(document["result"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return None
