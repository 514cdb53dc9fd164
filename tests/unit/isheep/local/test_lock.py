import os
import subprocess
import sys

import pytest

from isheep.local.lock import RunBusyError, RunLock, holder_of

HOLD = """
import sys
from pathlib import Path
from isheep.local.lock import RunLock
RunLock.take(Path(sys.argv[1]))
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_the_error_of_a_second_process_names_the_holder_of_the_lock(tmp_path, holder):
    with pytest.raises(RunBusyError, match=f"process {holder.pid}"):
        RunLock.take(tmp_path / "lock")
    assert holder_of(tmp_path / "lock") == holder.pid


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()

    assert holder_of(tmp_path / "lock") is None
    lock = RunLock.take(tmp_path / "lock")
    assert holder_of(tmp_path / "lock") == os.getpid()
    lock.release()


def test_the_lock_waits_for_workers_that_outlive_their_driver(tmp_path):
    notes = []
    lock = RunLock.take(tmp_path / "lock")
    worker = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=(lock.descriptor,),
    )
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    os.pwrite(lock.descriptor, str(ended.pid).encode(), 0)
    os.ftruncate(lock.descriptor, len(str(ended.pid)))
    lock.release()

    with pytest.raises(RunBusyError, match="workers of an earlier"):
        RunLock.take(tmp_path / "lock", wait_seconds=0.3)

    def note(text):
        notes.append(text)
        worker.stdin.close()

    RunLock.take(tmp_path / "lock", note=note).release()
    worker.wait()
    assert notes == ["waiting for the workers of an earlier isheep run to end"]


def test_a_lock_that_does_not_exist_has_no_holder(tmp_path):
    assert holder_of(tmp_path / "none") is None
