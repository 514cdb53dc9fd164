"""Faults of a folder: a full disk, a read-only mount, no links, and damaged files."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isheep.store.folder import FolderStore
from isheep.store.interface import (
    PutOutcome,
    StoreConditionError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def _everything(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


def test_a_file_over_the_size_limit_is_a_full_store(tmp_path: Path) -> None:
    """A write fails half-way, for every user, because the process may write 100 kB a file."""
    program = (
        "import sys; from pathlib import Path; from isheep.store.folder import FolderStore\n"
        "from isheep.store.interface import StoreFullError\n"
        "store = FolderStore(Path(sys.argv[1]))\n"
        "store.put('k', b'before', metadata={'a': 'b'})\n"
        "try: store.put('k', b'x' * 1_000_000, metadata={'a': 'c'})\n"
        "except StoreFullError as error: print(error)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "store")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    assert "writing k in" in output
    assert "Free some space" in output
    store = FolderStore(tmp_path / "store")
    info = store.head("k")
    assert info is not None
    assert (store.get("k"), dict(info.metadata)) == (b"before", {"a": "b"})
    assert len(_everything(tmp_path / "store")) == 3  # the key, its content, its metadata


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        (errno.ENOSPC, StoreFullError, "Free some space"),
        (errno.EDQUOT, StoreFullError, "raise the quota"),
        (errno.EACCES, StoreUnreachableError, "right to write"),
        (errno.EROFS, StoreUnreachableError, "another store"),
        (errno.ESTALE, StoreUnreachableError, "Mount that file system"),
        (errno.EIO, StoreError, "Input/output error"),
    ],
)
@pytest.mark.parametrize("metadata", [None, {"a": "b"}])
def test_an_error_of_the_disk_names_the_remedy_and_leaves_no_object(
    store: FolderStore,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    kind: type[StoreError],
    remedy: str,
    metadata: dict[str, str] | None,
) -> None:
    """A file system may allocate blocks late, so a full disk fails in fsync after all writes."""
    store.put("a/there", b"")

    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(kind, match=f"writing a/k in .*{remedy}"):
            store.put("a/k", b"x", if_absent=True, metadata=metadata)
    assert _everything(Path(store.uri)) == ["a/there"]
    assert store.put("a/k", b"x", if_absent=True, metadata=metadata) is PutOutcome.WRITTEN


def test_a_folder_without_write_access_fails_its_probe() -> None:
    """/sys allows no new folder, not even for root, so the test needs no permissions."""
    with pytest.raises(StoreUnreachableError, match="Give this user the right"):
        FolderStore(Path("/sys/isheep-store")).probe()


def test_a_root_that_is_a_file_fails_its_probe(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="A path is a file but must be a folder"):
        FolderStore(tmp_path / "file").probe()


def test_a_folder_cannot_be_an_object(store: FolderStore) -> None:
    store.put("a/b", b"")
    for if_absent in (True, False):
        with pytest.raises(StoreError, match="is a folder"):
            store.put("a", b"", if_absent=if_absent)
    assert store.head("a") is None


@pytest.mark.parametrize("verb", ["link", "symlink"])
def test_a_file_system_without_links_fails_its_probe(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, verb, refuse)
    with pytest.raises(StoreConditionError, match=r"does not support links.*another file system"):
        store.probe()
    assert _everything(Path(store.uri)) == []


@pytest.mark.parametrize("verb", ["link", "symlink"])
@pytest.mark.parametrize("metadata", [None, {"a": "b"}])
def test_a_link_whose_answer_was_lost_counts_as_written(
    store: FolderStore,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    metadata: dict[str, str] | None,
) -> None:
    """A network file system repeats the request and returns that the name exists."""
    real = getattr(os, verb)

    def twice(*names: object, **options: object) -> None:
        real(*names, **options)
        real(*names, **options)

    monkeypatch.setattr(os, verb, twice)
    assert store.put("k", b"x", if_absent=True, metadata=metadata) is PutOutcome.WRITTEN
    assert store.get("k") == b"x"


def test_objects_are_plain_readable_files(store: FolderStore) -> None:
    for metadata in (None, {"a": "b"}):
        store.put("d/model.safetensors", b"weights", metadata=metadata)
        path = store.local_path("d/model.safetensors")
        assert path == Path(store.uri) / "d" / "model.safetensors"
        assert path.read_bytes() == b"weights"


def test_a_copied_store_keeps_objects_and_metadata(store: FolderStore, tmp_path: Path) -> None:
    store.put("d/k", b"x", if_absent=True, metadata={"a": "b"})
    subprocess.run(["cp", "-r", store.uri, str(tmp_path / "copy")], check=True)
    info = FolderStore(tmp_path / "copy").head("d/k")
    assert info is not None
    assert dict(info.metadata) == {"a": "b"}


def test_a_link_without_its_content_is_an_error(store: FolderStore) -> None:
    store.put("d/k", b"x", if_absent=True, metadata={"a": "b"})
    for path in (Path(store.uri) / "d" / ".objects").iterdir():
        path.unlink()
    for verb in (store.head, store.get):
        with pytest.raises(StoreCorruptError, match=r"is a link to a file .* that does not exist"):
            verb("d/k")
    store.delete("d/k")
    assert store.put("d/k", b"y", if_absent=True) is PutOutcome.WRITTEN


def test_deleting_the_last_object_removes_its_folders(store: FolderStore) -> None:
    store.put("a/b/c", b"", metadata={"a": "b"})
    store.put("a/d", b"")
    store.delete("a/b/c")
    assert sorted(p.name for p in (Path(store.uri) / "a").iterdir()) == [".objects", "d"]
    store.delete("a/d")
    assert list(Path(store.uri).iterdir()) == []


def test_files_of_killed_writers_are_deleted_after_a_day(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = FolderStore(root)
    store.put("d/k", b"x", metadata={"a": "b"})
    leftovers = [root / "d" / ".objects" / name for name in ("01-k", "02-k.metadata.json", "03-z")]
    for path in leftovers:
        path.write_bytes(b"")
    store.put("d/other", b"")
    FolderStore(root).put("d/other", b"")
    assert all(path.exists() for path in leftovers)
    FolderStore(root, clock=lambda: time.time() + 90_000).put("d/other", b"")
    assert not any(path.exists() for path in leftovers)
    info = store.head("d/k")
    assert info is not None
    assert dict(info.metadata) == {"a": "b"}


def test_a_download_onto_a_full_disk_leaves_the_old_file(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("k", b"new")
    path = tmp_path / "copy"
    path.write_bytes(b"old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreFullError, match="copying k to"):
        store.download("k", path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["copy"]
