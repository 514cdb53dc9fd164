from __future__ import annotations

import io
import json

import pytest

from isheep.contract.order import Outcome, StageResult
from isheep_worker.process.channel import MAX_LINE_BYTES, Channel, read_lines
from isheep_worker.runtime.progress import Report

REPORT = Report("i1/respond", 64, None, "load", "part 1 of 2")
RESULT = StageResult(outcome=Outcome.FAILED, exit_code=74, message="§ no space")


def written() -> bytes:
    stream = io.StringIO()
    channel = Channel(stream)
    channel.report(REPORT)
    channel.result(RESULT)
    return stream.getvalue().encode()


def test_what_is_written_is_read_again() -> None:
    assert list(read_lines(io.BytesIO(written()))) == [REPORT, RESULT]
    assert json.loads(written().splitlines()[1])["exitCode"] == 74


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
        b'{"type": "result"}\n',
        b'{"type": "result", "result": {"outcome": "Perhaps"}}\n',
    ],
)
def test_garbage_is_left_out(garbage: bytes) -> None:
    said = list(read_lines(io.BytesIO(garbage + written() + garbage + b'{"type": "resu')))
    assert said == [REPORT, RESULT]


def test_a_reader_that_is_gone_is_no_error() -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    Channel(Gone()).report(REPORT)
