from __future__ import annotations

import io
import json

import pytest

from isheep.contract.order import Outcome, StageResult, StepResult
from isheep_worker.process.channel import (
    MAX_LINE_BYTES,
    MAX_WAITS_CHARACTERS,
    Channel,
    Waits,
    read_lines,
)
from isheep_worker.runtime.progress import Report

REPORT = Report("i1/respond", 64, None, "load", "part 1 of 2")
STEP = StepResult(id="i1/curate/r1", key="k" * 64, statistics={"accepted": 12.0})
RESULT = StageResult(outcome=Outcome.FAILED, exit_code=74, message="§ no space")


def written() -> bytes:
    stream = io.StringIO()
    channel = Channel(stream)
    channel.report(REPORT)
    channel.committed(STEP)
    channel.result(RESULT)
    return stream.getvalue().encode()


def test_reports_and_results_are_read_back() -> None:
    assert list(read_lines(io.BytesIO(written()))) == [REPORT, STEP, RESULT]
    assert json.loads(written().splitlines()[2])["exitCode"] == 74


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"no JSON\n",
        b"\xff\xfe\n",
        b"[" * 50_000 + b"\n",
        b"x" * (3 * MAX_LINE_BYTES) + b"\n",
        b"{}\n",
        b"17\n",
        b"[]\n",
        b'{"type": "song"}\n',
        b'{"type": "progress"}\n',
        b'{"type":"progress","stage":"s","itemsDone":Infinity,"itemsTotal":1,'
        b'"activity":"cpu","detail":""}\n',
        b'{"type":"progress","stage":"s","itemsDone":1,"itemsTotal":1,'
        b'"activity":"sleep","detail":""}\n',
        b'{"type": "waits"}\n',
        b'{"type": "result"}\n',
        b'{"type": "result", "result": {"outcome": "Perhaps"}}\n',
    ],
)
def test_invalid_lines_are_skipped(garbage: bytes) -> None:
    found = list(read_lines(io.BytesIO(garbage + written() + garbage + b'{"type": "resu')))
    assert found == [REPORT, STEP, RESULT]


def test_what_a_worker_waits_for_is_read_back_up_to_a_limit() -> None:
    stream = io.StringIO()
    for text in ("s3://b does not answer", "x" * 1000, ""):
        Channel(stream).waits(text)
    found = list(read_lines(io.BytesIO(stream.getvalue().encode())))
    assert found == [
        Waits("s3://b does not answer"),
        Waits("x" * MAX_WAITS_CHARACTERS),
        Waits(""),
    ]


def test_writing_to_a_reader_that_has_ended_is_no_error() -> None:
    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    Channel(Closed()).report(REPORT)
