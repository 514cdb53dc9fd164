from __future__ import annotations

from pathlib import Path

import pytest

from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.store.interface import ObjectInfo
from isheep_worker.inputs.sources import MAX_UNPACKED_BYTES, SourceReader, read_templates
from isheep_worker.runtime.errors import BadInputError

STORE = StoreSpec(folder=FolderStoreSpec(path="/nowhere"))


def test_the_built_in_seed_tasks_are_found() -> None:
    assert SourceReader(STORE, {}).seed_tasks("builtin:Default").content.startswith(b"{")


def test_a_file_is_read_directly_and_through_a_mirror(tmp_path: Path) -> None:
    file = tmp_path / "my tasks.jsonl"
    file.write_bytes(b"tasks")
    reader = SourceReader(STORE, {"s3://bucket/data": str(tmp_path)})
    assert reader.read(str(file), "f").content == b"tasks"
    assert reader.read(f"file://{tmp_path}/my%20tasks.jsonl", "f").name == str(file)
    assert reader.read("s3://bucket/data/my tasks.jsonl", "f").content == b"tasks"


def test_a_file_is_read_from_a_claim_and_through_a_mirror_of_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/tasks.jsonl").write_bytes(b"tasks")
    mirrors = {"pvc://claim": str(tmp_path), "s3://public": "pvc://claim/data"}
    reader = SourceReader(STORE, mirrors)
    for uri in ("pvc://claim/data/tasks.jsonl", "s3://public/tasks.jsonl"):
        assert reader.read(uri, "f").content == b"tasks"
    file = SourceReader(STORE, {"s3://public": f"file://{tmp_path}/data"})
    assert file.read("s3://public/tasks.jsonl", "f").content == b"tasks"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:///nowhere/at/all", "seedTasks.storageUri: /nowhere/at/all does not exist"),
        ("file:///", "seedTasks.storageUri: / cannot be read"),
        ("hf://org/name", "this worker cannot read 'hf://org/name'"),
        ("builtin:Mine", "no seed tasks named 'Mine'"),
        ("pvc://claim/tasks.jsonl", "seedTasks.storageUri: pvc://claim/tasks.jsonl: the claim is"),
        ("s3://bucket/data/my tasks.jsonl", "seedTasks.storageUri: s3://bucket/data/my tasks"),
        (
            "s3://bucket/my data/tasks.jsonl",
            "seedTasks.storageUri: s3://bucket/my data is not a bucket",
        ),
    ],
)
def test_a_source_that_cannot_be_read_is_reported_with_its_field(uri: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        SourceReader(STORE, {}).seed_tasks(uri)


class LargeObject:
    """A store with an object that does not fit into the memory."""

    def head(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, size=MAX_UNPACKED_BYTES + 1, modified=0.0)

    def get(self, key: str) -> bytes:
        raise AssertionError(f"{key} is read although it is too large")


def test_an_object_is_not_read_if_it_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod would be killed at its memory limit, four times, without a message."""
    monkeypatch.setattr("isheep_worker.inputs.sources.open_store", lambda spec: LargeObject())
    with pytest.raises(BadInputError, match="has more than 1024 MiB; set smaller data"):
        SourceReader(STORE, {}).seed_tasks("s3://bucket/data/tasks.jsonl")


def test_templates_are_read_by_file_name(tmp_path: Path) -> None:
    (tmp_path / "instructions.jinja").write_text("Invent tasks.")
    (tmp_path / "response-raw").write_text("{{ instruction }}")
    (tmp_path / "..data").mkdir()
    (tmp_path / ".hidden").write_bytes(b"\xff")
    assert read_templates(str(tmp_path)) == {
        "instructions": "Invent tasks.",
        "response-raw": "{{ instruction }}",
    }
    assert read_templates(None) == {}


def test_templates_that_cannot_be_read_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is not a folder"):
        read_templates(str(tmp_path / "none"))
    (tmp_path / "instructions").write_bytes(b"ab\xff")
    with pytest.raises(BadInputError, match=r"not UTF-8 \(byte 3\)"):
        read_templates(str(tmp_path))


def test_a_folder_is_read_with_its_files_and_without_hidden_ones(tmp_path: Path) -> None:
    (tmp_path / "data/ARC-Easy").mkdir(parents=True)
    (tmp_path / "data/.cache").mkdir()
    (tmp_path / "data/ARC-Easy/test.jsonl").write_bytes(b"{}")
    (tmp_path / "data/.cache/x").write_bytes(b"no")
    reader = SourceReader(STORE, {"pvc://claim": str(tmp_path)})
    for uri in (f"file://{tmp_path}/data", "pvc://claim/data"):
        found = reader.read_files(uri, "f")
        assert (found.is_folder, found.files) == (True, {"ARC-Easy/test.jsonl": b"{}"})
    one = reader.read_files("pvc://claim/data/ARC-Easy/test.jsonl", "f")
    assert (one.is_folder, one.files) == (False, {"test.jsonl": b"{}"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match=r"f: .*empty has no files; set a folder"):
        reader.read_files(f"file://{tmp_path}/empty", "f")
