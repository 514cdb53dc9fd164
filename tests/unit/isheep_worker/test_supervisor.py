from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from isheep.api.order import ExitCode, Outcome, StageResult, canonical_order, dump_result
from isheep.store.folder import FolderStore
from isheep_worker.contract import ORDER_VARIABLE, TERMINATION_LOG_VARIABLE, Shard
from isheep_worker.supervisor import LogTail, Uploader, explained, log_file, verdict

COMMITTED = dump_result(StageResult(outcome=Outcome.COMMITTED))
FULL = dump_result(StageResult(outcome=Outcome.FAILED, exit_code=74, reason="DiskFull"))


@pytest.mark.parametrize(
    ("message", "returncode", "exit_code", "reason"),
    [
        (COMMITTED, 0, 0, None),
        (COMMITTED, 1, 0, None),  # a runtime that crashes as it shuts down
        (COMMITTED, -signal.SIGSEGV, 0, None),
        (FULL, 1, 74, "DiskFull"),
        ("", -signal.SIGKILL, 137, "Killed"),
        ("", -signal.SIGSEGV, 139, "Killed"),
        ("", -signal.SIGTERM, ExitCode.STOPPED, "Stopped"),
        ("", 0, ExitCode.DEFECT, "Defect"),
        ("", 1, ExitCode.DEFECT, "Defect"),
        ("", 64, ExitCode.BAD_INPUT, "Defect"),
        ("half a resu", 1, ExitCode.DEFECT, "Defect"),
    ],
)
def test_the_exit_code_is_right_whatever_the_child_said(
    message: str, returncode: int, exit_code: int, reason: str | None
) -> None:
    result = verdict(message, returncode)
    assert (result.exit_code, result.reason) == (exit_code, reason)


@pytest.mark.parametrize(
    ("reason", "log", "exit_code"),
    [
        ("Defect", b"torch.OutOfMemoryError: CUDA out of memory", ExitCode.DEVICE_MEMORY),
        ("Defect", b"KeyError: 'x'", ExitCode.DEFECT),
        ("BadInput", b"CUDA out of memory", ExitCode.DEFECT),
    ],
)
def test_a_defect_is_device_memory_where_the_log_says_so(reason, log, exit_code) -> None:
    tail = LogTail(1000)
    tail.append(log)
    result = StageResult(outcome=Outcome.FAILED, exit_code=70, reason=reason, message="x")
    assert explained(result, tail).exit_code == exit_code


def test_the_tail_keeps_the_end() -> None:
    tail = LogTail(10)
    for chunk in (b"abcdef", b"ghi", b"jklmnop"):
        tail.append(chunk)
    assert tail.content() == b"ghijklmnop"


def test_the_tail_is_uploaded_at_the_end(make_order, tmp_path: Path) -> None:
    the_order = make_order()
    tail = LogTail(100)
    uploader = Uploader(the_order, Shard(1, 2), tail)
    uploader.start()
    tail.append(b"the last words")
    uploader.finish(10)
    assert log_file(the_order, Shard(1, 2)) == "logs/i1-x-2-1.log"
    stored = FolderStore(tmp_path).get("default/runs/demo/logs/i1-x-2-1.log")
    assert stored == b"the last words"


def test_a_store_that_is_not_there_does_not_hold_up_the_end(make_order, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    tail = LogTail(100)
    uploader = Uploader(make_order(store=file), Shard(), tail)
    uploader.start()
    tail.append(b"words")
    uploader.finish(10)
    assert not uploader.is_alive()


def _pod(tmp_path: Path, text: str) -> tuple[int, StageResult]:
    log = tmp_path / "termination-log"
    environment = os.environ | {ORDER_VARIABLE: text, TERMINATION_LOG_VARIABLE: str(log)}
    done = subprocess.run(
        [sys.executable, "-m", "isheep_worker"], env=environment, capture_output=True, check=False
    )
    return done.returncode, StageResult.model_validate(json.loads(log.read_text()))


def test_a_pod_without_a_readable_order_ends_as_bad_input(tmp_path: Path) -> None:
    code, result = _pod(tmp_path, "{}")
    assert code == result.exit_code == ExitCode.BAD_INPUT
    assert result.reason == "BadOrder"


def test_a_pod_tells_its_childs_failure(make_order, tmp_path: Path) -> None:
    code, result = _pod(tmp_path, canonical_order(make_order("dance")))
    assert code == result.exit_code == ExitCode.BAD_INPUT
    assert "no stage 'dance'" in (result.message or "")
    log = FolderStore(tmp_path).get("default/runs/demo/logs/i1-x-2-0.log")
    assert b"no stage 'dance'" in log
