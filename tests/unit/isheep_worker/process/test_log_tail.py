from __future__ import annotations

from pathlib import Path

from isheep.store.folder import FolderStore
from isheep_worker.process.log_tail import LogTail, Uploader, log_file
from isheep_worker.runtime.orders import Shard

PATIENT_SECONDS = 500.0
"""More than a busy disk needs, and less than a test may take."""


def test_the_tail_keeps_the_last_bytes() -> None:
    tail = LogTail(10)
    for chunk in (b"abcdef", b"ghi", b"jklmnop"):
        tail.append(chunk)
    assert tail.content() == b"ghijklmnop"


def test_the_tail_is_uploaded_when_the_child_has_ended(make_order, tmp_path: Path) -> None:
    order = make_order()
    tail = LogTail(100)
    uploader = Uploader(order, Shard(1, 2), tail)
    uploader.start()
    tail.append(b"the last line")
    uploader.finish(PATIENT_SECONDS)
    assert log_file(order, Shard(1, 2)) == "logs/i1-x-2-1.log"
    stored = FolderStore(tmp_path).get("default/runs/demo/logs/i1-x-2-1.log")
    assert stored == b"the last line"


def test_a_store_that_does_not_answer_does_not_delay_the_end(make_order, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    tail = LogTail(100)
    uploader = Uploader(make_order(store=file), Shard(), tail)
    uploader.start()
    tail.append(b"line")
    uploader.finish(PATIENT_SECONDS)
    assert not uploader.is_alive()
