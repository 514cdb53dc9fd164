from __future__ import annotations

from pathlib import Path

from isheep.store.folder import FolderStore
from isheep_worker.process.log_tail import LogTail, Uploader, log_file
from isheep_worker.runtime.orders import Shard


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
