"""Packed files are recognised by their content, and damaged or hostile ones are refused."""

from __future__ import annotations

import gzip
import io
import tracemalloc

import pytest
import zstandard

from isheep_worker.rows import packed_files
from isheep_worker.rows.packed_files import unpacked
from isheep_worker.rows.records import RecordError

TEXT = b"".join(b"line %d\n" % number for number in range(20_000))
GZIP, ZSTD = gzip.compress(TEXT, mtime=0), zstandard.compress(TEXT)
SKIPPED_FRAME = b"\x5a\x2a\x4d\x18\x04\x00\x00\x00note"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (TEXT, TEXT),
        (b"", b""),
        (GZIP, TEXT),
        (ZSTD, TEXT),
        (GZIP + GZIP, TEXT * 2),
        (ZSTD + ZSTD, TEXT * 2),
        (GZIP + b"\0" * 700, TEXT),
        (SKIPPED_FRAME + ZSTD, TEXT),
        (gzip.compress(ZSTD, mtime=0), TEXT),
    ],
    ids=[
        "text",
        "empty",
        "gzip",
        "zstd",
        "two-gzip",
        "two-zstd",
        "padded-gzip",
        "skipped-frame",
        "zstd-in-gzip",
    ],
)
def test_the_content_is_the_same_however_it_is_packed(content: bytes, text: bytes) -> None:
    stream, is_packed = unpacked(io.BytesIO(content), "f")
    assert stream.read() == text
    assert is_packed == (content not in (TEXT, b""))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GZIP[:-9], "f: is damaged or incomplete (the file ends early); copy the file again"),
        (ZSTD[:-5], "f: is damaged or incomplete (the file ends early); copy the file again"),
        (GZIP + b"more", "f: is damaged or incomplete"),
        (ZSTD + b"more", "f: is damaged or incomplete"),
        (GZIP[:50] + b"\0" * 50 + GZIP[100:], "f: is damaged or incomplete"),
        (b"PK\x03\x04", "f: is a zip archive; write it as UTF-8 text"),
        ("text".encode("utf-16"), "f: is UTF-16 text"),
    ],
    ids=[
        "cut-gzip",
        "cut-zstd",
        "text-after-gzip",
        "text-after-zstd",
        "damaged-gzip",
        "zip",
        "utf-16",
    ],
)
def test_a_damaged_or_unknown_file_is_an_error_and_never_half_of_the_data(
    content: bytes, message: str
) -> None:
    with pytest.raises(RecordError) as error:
        unpacked(io.BytesIO(content), "f")[0].read()
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_file_that_grows_more_than_text_is_refused_early(
    pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_files, "FREE_BYTES", 1 << 20)
    content = pack(bytes(1 << 26))
    tracemalloc.start()
    with pytest.raises(RecordError, match="f: unpacks to more than 200 times its size"):
        unpacked(io.BytesIO(content), "f")[0].read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20


def test_the_limit_counts_the_unpacked_bytes() -> None:
    size = 1 << 20
    content = gzip.compress(bytes(size), mtime=0)
    assert len(unpacked(io.BytesIO(content), "f", size)[0].read()) == size
    with pytest.raises(RecordError, match="f: has more than 0 MiB when it is unpacked"):
        unpacked(io.BytesIO(content), "f", size - 1)[0].read()
