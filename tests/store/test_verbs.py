"""Every method of the store, on both stores."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from isheep.contract.store_spec import StoreSpec
from isheep.store import open_store
from isheep.store.interface import NoSuchKeyError, ObjectStore, PutOutcome

BIG = 13 << 20  # three parts of 6 MiB, the last one smaller


def test_an_object_is_read_as_it_was_written(store: ObjectStore) -> None:
    assert store.put("a/b.txt", b"one") is PutOutcome.WRITTEN
    assert store.get("a/b.txt") == b"one"
    with store.open("a/b.txt") as stream:
        assert stream.read(2) == b"on"
        assert stream.read() == b"e"


def test_an_object_may_be_empty(store: ObjectStore) -> None:
    store.put("empty", b"", if_absent=True, metadata={"items": "0"})
    assert store.get("empty") == b""
    info = store.head("empty")
    assert info is not None
    assert (info.size, info.metadata) == (0, {"items": "0"})


@pytest.mark.parametrize("first", [None, {"n": "1"}])
@pytest.mark.parametrize("second", [None, {"n": "2"}])
def test_an_unconditional_put_replaces_content_and_metadata(
    store: ObjectStore, first: dict[str, str] | None, second: dict[str, str] | None
) -> None:
    store.put("k", b"first", metadata=first)
    assert store.put("k", b"second!", metadata=second) is PutOutcome.WRITTEN
    info = store.head("k")
    assert info is not None
    assert (store.get("k"), info.size, dict(info.metadata)) == (b"second!", 7, second or {})


@pytest.mark.parametrize("first", [None, {"n": "1"}])
@pytest.mark.parametrize("second", [None, {"n": "2"}])
def test_a_conditional_put_keeps_an_existing_object(
    store: ObjectStore, first: dict[str, str] | None, second: dict[str, str] | None
) -> None:
    assert store.put("k", b"first", if_absent=True, metadata=first) is PutOutcome.WRITTEN
    assert store.put("k", b"second", if_absent=True, metadata=second) is PutOutcome.EXISTED
    info = store.head("k")
    assert info is not None
    assert (store.get("k"), dict(info.metadata)) == (b"first", first or {})


def test_a_deleted_key_can_be_written_again(store: ObjectStore) -> None:
    for content in (b"one", b"two"):
        assert store.put("d/k", content, if_absent=True, metadata={"x": "y"}) is PutOutcome.WRITTEN
        assert store.get("d/k") == content
        store.delete("d/k")
        assert store.head("d/k") is None
    store.delete("d/k")
    store.delete("never/was")


def test_a_missing_key_has_its_error(store: ObjectStore, tmp_path: Path) -> None:
    store.put("there", b"")
    for key in ("missing", "a/missing", "there/below"):
        assert store.head(key) is None
        assert store.local_path(key) is None
        for verb in (store.get, store.open, lambda k: store.download(k, tmp_path / "x")):
            with pytest.raises(NoSuchKeyError, match=key):
                verb(key)
    assert list(tmp_path.glob("x")) == []


def test_metadata_is_read_as_it_was_written(store: ObjectStore) -> None:
    metadata = {
        "sha256": "0" * 64,
        "statistics": '{"a":1.5,"b":"' + "x" * 1500 + '"}',
        "items": "64",
    }
    store.put("k", b"x", metadata=metadata)
    info = store.head("k")
    assert info is not None
    assert dict(info.metadata) == metadata
    assert info.modified > 1.7e9


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a/.objects/b", "a b", "a\nb", "a\\b", "é",
     "x" * 201, "/".join(["x" * 100] * 9)],
)  # fmt: skip
def test_bad_keys_are_refused(store: ObjectStore, key: str, tmp_path: Path) -> None:
    for verb in (
        store.get,
        store.open,
        store.head,
        store.delete,
        store.local_path,
        lambda k: store.put(k, b""),
        lambda k: store.download(k, tmp_path / "x"),
    ):
        with pytest.raises(ValueError, match=r"store key"):
            verb(key)


@pytest.mark.parametrize(
    "metadata", [{"Upper": "x"}, {"a": "é"}, {"a": "x\ny"}, {"a": " x"}, {"a": "x" * 1900}]
)
def test_bad_metadata_is_refused(store: ObjectStore, metadata: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="metadata"):
        store.put("k", b"", metadata=metadata)
    assert store.head("k") is None


def test_a_listing_contains_all_keys_of_a_prefix_in_order(store: ObjectStore) -> None:
    """The S3 store of the test lists 10 keys a page."""
    keys = [f"s/k1/part-{n:05d}" for n in range(30)] + ["s/k1/manifest.json", "s/k1/files/a", "z"]
    for key in reversed(keys):
        store.put(key, key.encode(), metadata={"a": "b"} if "part" in key else None)
    assert [info.key for info in store.list("s/k1/part-")] == keys[:30]
    assert {info.key for info in store.list("")} == set(keys)
    assert {info.key for info in store.list("s/")} == set(keys[:-1])
    assert [info.key for info in store.list("s/k1/part-00003")] == ["s/k1/part-00003"]
    assert [(i.key, i.size) for i in store.list("s/k1/files/")] == [("s/k1/files/a", 12)]
    assert list(store.list("s/k2/")) == list(store.list("nothing")) == list(store.list("z/")) == []


def test_large_files_are_uploaded_and_downloaded_in_parts(
    store: ObjectStore, tmp_path: Path
) -> None:
    content = b"".join(number.to_bytes(4, "big") * 256 for number in range(BIG // 1024))
    path = tmp_path / "big"
    path.write_bytes(content)
    metadata = {"sha256": "f" * 64}
    assert store.put("big", path, if_absent=True, metadata=metadata) is PutOutcome.WRITTEN
    path.write_bytes(content[::-1])
    assert store.put("big", path, if_absent=True) is PutOutcome.EXISTED
    info = store.head("big")
    assert info is not None
    assert (info.size, dict(info.metadata)) == (BIG, metadata)
    store.download("big", tmp_path / "deep" / "copy")
    assert (tmp_path / "deep" / "copy").read_bytes() == content
    with store.open("big") as stream:
        assert b"".join(iter(lambda: stream.read(1 << 20), b"")) == content
    store.put("big", path)
    store.download("big", tmp_path / "deep" / "copy")
    assert (tmp_path / "deep" / "copy").read_bytes() == content[::-1]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["copy"]


def test_a_stream_is_a_binary_file(store: ObjectStore) -> None:
    store.put("lines", b"one\ntwo\n")
    with io.TextIOWrapper(store.open("lines")) as text:
        assert list(text) == ["one\n", "two\n"]


def test_the_probe_accepts_both_stores_and_deletes_its_objects(store: ObjectStore) -> None:
    store.probe()
    assert list(store.list("")) == []


def test_a_spec_opens_its_store(spec: StoreSpec) -> None:
    store = open_store(spec)
    assert store.uri == spec.uri
    store.put("a", b"b")
    assert store.get("a") == b"b"
    assert spec.uri in repr(store)
