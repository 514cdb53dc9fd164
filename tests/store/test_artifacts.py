"""Stages, on both stores."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isheep.contract.order import RunRef
from isheep.store.artifacts import ArtifactStore, part_name
from isheep.store.folder import FolderStore
from isheep.store.interface import (
    NoSuchKeyError,
    ObjectStore,
    PutOutcome,
    StoreCorruptError,
    StoreVersionError,
)
from isheep.store.manifest import FileInfo, Manifest, PartInfo, StageInfo, Timings

KEY = "0123abcd"
STAGE = f"ns/stages/{KEY}"
RUN = RunRef(namespace="ns", name="run", uid="uid-1")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def artifacts(store: ObjectStore) -> ArtifactStore:
    return ArtifactStore(store, "ns")


def _manifest(
    parts: list[PartInfo] | None = None, files: list[FileInfo] | None = None, run: RunRef = RUN
) -> Manifest:
    return Manifest(
        key=KEY,
        stage=StageInfo(kind="respond", version=1, id="i1/respond", iteration=1),
        parts=tuple(parts or ()),
        files=tuple(files or ()),
        inputs={"instructions": ("ef01",)},
        settings={"temperature": 1.0},
        timings=Timings(started_at=NOW, finished_at=NOW, engine_seconds=1.5),
        statistics={"accepted": 3},
        run=run,
    )


def _commit(artifacts: ArtifactStore, *parts: list[bytes]) -> Manifest:
    for index, lines in enumerate(parts):
        artifacts.write_part(KEY, index, lines, {"count": len(lines)})
    return artifacts.commit(KEY, _manifest(artifacts.collect_parts(KEY, len(parts))))


def test_a_committed_stage_returns_the_rows_of_its_parts(artifacts: ArtifactStore) -> None:
    assert artifacts.manifest(KEY) is None
    assert artifacts.parts(KEY) == []
    assert not artifacts.part_exists(KEY, 0)
    parts = [[f'{{"n":{p},"i":{i}}}'.encode() for i in range(4)] for p in range(7)]
    committed = _commit(artifacts, *parts, [])
    assert artifacts.part_exists(KEY, 6)
    assert artifacts.parts(KEY) == list(range(8))
    assert artifacts.manifest(KEY) == committed
    assert committed.items == 28
    assert [part.items for part in committed.parts] == [4] * 7 + [0]
    assert committed.parts[3].statistics == {"count": 4}
    assert committed.parts[3].name == "part-00003.jsonl.zst"
    assert list(artifacts.read_lines(KEY)) == [line for part in parts for line in part]


def test_a_part_is_an_ordinary_zstd_file_with_its_digest(
    artifacts: ArtifactStore, store: ObjectStore
) -> None:
    _commit(artifacts, [b"one", b"two"])
    body = store.get(f"{STAGE}/part-00000.jsonl.zst")
    assert zstandard.ZstdDecompressor().decompress(body) == b"one\ntwo\n"
    document = json.loads(store.get(f"{STAGE}/manifest.json"))
    assert document["parts"][0]["sha256"] == hashlib.sha256(body).hexdigest()
    assert document["parts"][0]["bytes"] == len(body)
    assert document["schemaVersion"] == 1
    assert document["timings"]["engineSeconds"] == 1.5


def test_the_same_rows_make_the_same_bytes(store: ObjectStore) -> None:
    digests = []
    for namespace in ("one", "two"):
        artifacts = ArtifactStore(store, namespace)
        artifacts.write_part(KEY, 0, [b"row"] * 64, {"b": 1, "a": 2})
        digests.append(artifacts.collect_parts(KEY, 1))
    assert digests[0] == digests[1]


def test_a_second_writer_of_a_part_adopts_the_first(artifacts: ArtifactStore) -> None:
    assert artifacts.write_part(KEY, 0, [b"first"], {"n": 1}) is PutOutcome.WRITTEN
    assert artifacts.write_part(KEY, 0, [b"second", b"x"], {"n": 2}) is PutOutcome.EXISTED
    (part,) = artifacts.collect_parts(KEY, 1)
    assert (part.items, part.statistics) == (1, {"n": 1})
    artifacts.commit(KEY, _manifest([part]))
    artifacts.write_part(KEY, 0, [b"third"])
    artifacts.write_part(KEY, 1, [b"beyond the manifest"])
    assert list(artifacts.read_lines(KEY)) == [b"first"]


def test_the_loser_of_a_commit_adopts_the_winner(artifacts: ArtifactStore) -> None:
    winner = artifacts.commit(KEY, _manifest())
    other = RunRef(namespace="ns", name="other", uid="uid-2")
    assert artifacts.commit(KEY, _manifest(run=other)) == winner


def test_the_error_for_missing_parts_names_them(artifacts: ArtifactStore) -> None:
    for index in (0, 2, 5):
        artifacts.write_part(KEY, index, [b"x"])
    with pytest.raises(NoSuchKeyError, match=r"lacks 2 of 4 parts: 1, 3"):
        artifacts.collect_parts(KEY, 4)


def test_a_namespace_does_not_contain_the_stages_of_another(store: ObjectStore) -> None:
    _commit(ArtifactStore(store, "ns"), [b"x"])
    other = ArtifactStore(store, "other")
    assert other.manifest(KEY) is None
    with pytest.raises(NoSuchKeyError, match=f"stage {KEY} is not committed"):
        list(other.read_lines(KEY))


def test_bad_rows_and_statistics_are_refused(artifacts: ArtifactStore) -> None:
    with pytest.raises(ValueError, match="line 1 of part 0 contains a newline"):
        artifacts.write_part(KEY, 0, [b"x", b"a\nb"])
    with pytest.raises(ValueError, match="metadata"):
        artifacts.write_part(KEY, 0, [b"x"], {f"statistic-{n}": n for n in range(200)})
    with pytest.raises(ValueError, match="cannot commit"):
        artifacts.commit("another", _manifest())
    assert artifacts.parts(KEY) == []


def test_the_first_file_of_a_name_is_kept_and_read_back(
    artifacts: ArtifactStore, store: ObjectStore, tmp_path: Path
) -> None:
    source = tmp_path / "adapter"
    source.write_bytes(b"weights")
    info = artifacts.write_file(KEY, "adapter.safetensors", source)
    assert info == FileInfo(
        name="adapter.safetensors", sha256=hashlib.sha256(b"weights").hexdigest(), bytes=7
    )
    source.write_bytes(b"other weights")
    assert artifacts.write_file(KEY, "adapter.safetensors", source) == info
    artifacts.commit(KEY, _manifest(files=[info]))
    artifacts.read_file(KEY, "adapter.safetensors", tmp_path / "out" / "copy")
    assert (tmp_path / "out" / "copy").read_bytes() == b"weights"
    path = artifacts.file_path(KEY, "adapter.safetensors")
    if isinstance(store, FolderStore):
        assert path is not None
        assert path.read_bytes() == b"weights"
    else:
        assert path is None
    with pytest.raises(NoSuchKeyError, match="has no file missing"):
        artifacts.read_file(KEY, "missing", tmp_path / "x")


def _flip(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda body: None, "is missing"),
        (_flip, "is damaged: its SHA-256 is [0-9a-f]{64}, but its manifest lists [0-9a-f]{64}"),
        (lambda body: b"", "is damaged"),
    ],
)
def test_a_damaged_part_yields_no_row(
    artifacts: ArtifactStore,
    store: ObjectStore,
    damage: Callable[[bytes], bytes | None],
    problem: str,
) -> None:
    _commit(artifacts, [b"one"], [b"two"], [b"three"])
    name = f"{STAGE}/{part_name(1)}"
    damaged = damage(store.get(name))
    store.delete(name)
    if damaged is not None:
        store.put(name, damaged)
    rows = artifacts.read_lines(KEY)
    assert next(rows) == b"one"
    with pytest.raises(StoreCorruptError, match=problem) as caught:
        next(rows)
    assert name in str(caught.value)
    assert f"{store.uri}/{STAGE}" in str(caught.value)
    assert "rm " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "items"), [(b"one\ntwo\n", 3), (b"one\ntwo", 2), (b"one\ntwo", 1)]
)
def test_a_part_with_another_number_of_lines_than_its_manifest_is_an_error(
    artifacts: ArtifactStore, store: ObjectStore, content: bytes, items: int
) -> None:
    body = zstandard.compress(content)
    metadata = {
        "sha256": hashlib.sha256(body).hexdigest(),
        "items": str(items),
        "statistics": "{}",
    }
    store.put(f"{STAGE}/{part_name(0)}", body, metadata=metadata)
    artifacts.commit(KEY, _manifest(artifacts.collect_parts(KEY, 1)))
    with pytest.raises(StoreCorruptError, match=f"manifest lists {items}"):
        list(artifacts.read_lines(KEY))


def test_a_part_that_is_not_a_zstd_file_is_an_error(
    artifacts: ArtifactStore, store: ObjectStore
) -> None:
    metadata = {
        "sha256": hashlib.sha256(b"text").hexdigest(),
        "items": "1",
        "statistics": "{}",
    }
    store.put(f"{STAGE}/{part_name(0)}", b"text", metadata=metadata)
    artifacts.commit(KEY, _manifest(artifacts.collect_parts(KEY, 1)))
    with pytest.raises(StoreCorruptError, match="not a zstd file"):
        list(artifacts.read_lines(KEY))


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"sha256": "0" * 64, "items": "1"},
        {"sha256": "zz", "items": "1", "statistics": "{}"},
        {"sha256": "0" * 64, "items": "many", "statistics": "{}"},
        {"sha256": "0" * 64, "items": "1", "statistics": "["},
    ],
)
def test_a_part_of_another_program_is_refused(
    artifacts: ArtifactStore, store: ObjectStore, metadata: dict[str, str]
) -> None:
    store.put(f"{STAGE}/{part_name(0)}", b"x", metadata=metadata)
    with pytest.raises(StoreCorruptError, match="metadata"):
        artifacts.collect_parts(KEY, 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is damaged"),
        (b"[]", "is damaged"),
        (b'{"schemaVersion": 1}', r"is damaged \(key"),
        (b'{"key": "x"}', r"is damaged \(schemaVersion"),
    ],
)
def test_a_damaged_manifest_is_an_error(
    artifacts: ArtifactStore, store: ObjectStore, content: bytes, problem: str
) -> None:
    store.put(f"{STAGE}/manifest.json", content)
    with pytest.raises(StoreCorruptError, match=problem):
        artifacts.manifest(KEY)


def test_a_manifest_of_another_key_is_an_error(
    artifacts: ArtifactStore, store: ObjectStore
) -> None:
    artifacts.commit(KEY, _manifest())
    store.put("ns/stages/other/manifest.json", store.get(f"{STAGE}/manifest.json"))
    with pytest.raises(StoreCorruptError, match=f"is the manifest of {KEY}"):
        artifacts.manifest("other")


def test_a_newer_manifest_is_an_error(artifacts: ArtifactStore, store: ObjectStore) -> None:
    store.put(f"{STAGE}/manifest.json", b'{"schemaVersion": 2, "later": []}')
    with pytest.raises(StoreVersionError, match="schemaVersion 2; this isheep reads up to 1"):
        artifacts.manifest(KEY)


def test_a_damaged_or_missing_file_is_an_error(
    artifacts: ArtifactStore, store: ObjectStore, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    info = artifacts.write_file(KEY, "w", source)
    artifacts.commit(KEY, _manifest(files=[info]))
    artifacts.file_path(KEY, "w")
    store.put(f"{STAGE}/files/w", b"Weights")
    with pytest.raises(StoreCorruptError, match=r"files/w in .* is damaged"):
        artifacts.read_file(KEY, "w", tmp_path / "copy")
    if isinstance(store, FolderStore):
        with pytest.raises(StoreCorruptError, match=r"files/w in .* is damaged"):
            artifacts.file_path(KEY, "w")
    store.delete(f"{STAGE}/files/w")
    with pytest.raises(StoreCorruptError, match="files/w is missing"):
        artifacts.read_file(KEY, "w", tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["source"]


def test_reading_100_000_rows_takes_the_memory_of_a_few_parts(tmp_path: Path) -> None:
    """100,000 rows of 1 kB that compress little; the manifest is the largest object."""
    artifacts = ArtifactStore(FolderStore(tmp_path), "ns")
    row = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(16)).encode()
    # All 1,563 parts are the same object, because the test measures the reader only.
    artifacts.write_part(KEY, 0, [b"%d %s" % (n, row) for n in range(64)])
    (part,) = artifacts.collect_parts(KEY, 1)
    parts = [part.model_copy(update={"index": index}) for index in range(1563)]
    artifacts.commit(KEY, _manifest(parts))
    manifest = artifacts.manifest(KEY)
    assert manifest is not None
    assert manifest.items > 100_000
    tracemalloc.start()
    try:
        count = sum(1 for _ in artifacts.read_lines(KEY))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == manifest.items
    assert peak < 8 << 20


def test_a_reader_may_stop_early(artifacts: ArtifactStore) -> None:
    _commit(artifacts, *([b"x"] for _ in range(12)))
    rows = artifacts.read_lines(KEY)
    assert next(rows) == b"x"
    rows.close()


_lines = st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"")), max_size=9)


@given(parts=st.lists(_lines, max_size=6))
# No deadline: an example syncs files to disk, which takes long on a busy machine.
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_rows_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[bytes]]
) -> None:
    artifacts = ArtifactStore(FolderStore(tmp_path_factory.mktemp("rows")), "ns")
    _commit(artifacts, *parts)
    assert list(artifacts.read_lines(KEY)) == [line for part in parts for line in part]
