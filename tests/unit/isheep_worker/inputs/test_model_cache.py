"""If several workers need a file at the same time, it is downloaded once and is complete."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from isheep.store.folder import FolderStore
from isheep_worker.inputs import model_cache
from isheep_worker.runtime.errors import SourceUnreachableError

CONTENT = b"weights" * 1000


def _keep(store: Path, path: Path, note: Path) -> None:
    """Runs as a worker in a separate process; each download writes a note and takes 0.2 s."""

    def download(target: Path) -> None:
        with note.open("a") as file:
            file.write("downloaded\n")
        time.sleep(0.2)
        FolderStore(store).download("model.safetensors", target)

    model_cache.keep(path, len(CONTENT), download)
    if path.read_bytes() != CONTENT:
        os._exit(1)


def test_one_of_many_workers_downloads_and_all_have_the_file(tmp_path: Path) -> None:
    FolderStore(tmp_path / "store").put("model.safetensors", CONTENT)
    path, note = tmp_path / "cache/a/model.safetensors", tmp_path / "note"
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_keep, args=(tmp_path / "store", path, note)) for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert note.read_text() == "downloaded\n"
    assert [p.name for p in path.parent.iterdir() if not p.name.startswith(".")] == [path.name]


def test_each_worker_downloads_if_the_file_system_has_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("isheep_worker.inputs.model_cache.fcntl.flock", no_locks)
    path = tmp_path / "file"
    with caplog.at_level(logging.WARNING):
        model_cache.keep(path, 3, lambda target: target.write_bytes(b"abc"))
    assert path.read_bytes() == b"abc"
    assert "has no locks" in caplog.text


def test_only_a_file_of_the_wrong_size_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"half")
    model_cache.keep(path, 5, lambda target: target.write_bytes(b"whole"))
    assert path.read_bytes() == b"whole"

    def fail(_: Path) -> None:
        raise AssertionError("the file exists already")

    model_cache.keep(path, 5, fail)


def test_a_source_that_changes_during_the_download_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachableError, match=r"file does not have the expected 5 bytes"):
        model_cache.keep(tmp_path / "file", 5, lambda target: target.write_bytes(b"other"[:3]))


def test_partial_files_of_killed_downloads_are_removed_after_a_day(tmp_path: Path) -> None:
    old, young, other = (
        tmp_path / name
        for name in (".0123.model.safetensors.7f", ".4567.model.safetensors", ".89.config.json")
    )
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    path = tmp_path / "model.safetensors"
    model_cache.keep(path, 1, lambda target: target.write_bytes(b"x"))
    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)
