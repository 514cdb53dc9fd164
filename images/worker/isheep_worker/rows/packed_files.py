"""The bytes of a file that a user names, unpacked: plain, gzip or zstd, recognised by content.

The name of a file proves nothing: a download can have lost its suffix, and a pipe has no name. The
first bytes decide. A small packed file can unpack to terabytes, so the output is produced in
bounded pieces, and a file that grows far more than text does is refused.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import BinaryIO

import zstandard

from isheep_worker.rows.records import RecordError

MAX_RATIO = 200
"""Text packs to a twentieth at most, and very repetitive text to a hundredth."""
FREE_BYTES = 1 << 26
"""The ratio does not count below this size, because a small file fits into memory."""
_CHUNK = 1 << 16
# A zstd decoder has no limit for its output. A block of 4 bytes unpacks to at most 128 KiB, so
# pieces of 1 KiB unpack to at most 32 MiB.
_ZSTD_CHUNK = 1 << 10
_MAX_LAYERS = 2
_HEAD = 6

_Chunks = Iterator[bytes]

_REFUSED = {
    b"PK\x03\x04": "a zip archive",
    b"\xfd7zXZ\x00": "an xz file",
    b"BZh": "a bzip2 file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


def unpacked(
    stream: BinaryIO, name: str, limit: int | None = None
) -> tuple[io.BufferedReader, bool]:
    """Return the content of a file as a stream that cannot seek, and whether it was packed.

    Args:
        stream: The file, at its start.
        name: The name of the file in messages.
        limit: The largest size of the unpacked content in bytes, or None for no limit.

    Returns:
        The content. Its reads raise `RecordError` if the file is damaged, packed in another format,
        larger than `limit`, or unpacks to more than `MAX_RATIO` times its size.
    """
    # read1 returns what a pipe has; read would wait until the pipe has a whole chunk.
    read = getattr(stream, "read1", stream.read)
    chunks = _guarded(iter(lambda: read(_CHUNK), b""), name, limit)
    layers = 0
    while layers < _MAX_LAYERS:
        head, chunks = _peeked(chunks)
        unpack = _unpacker(head, name)
        if unpack is None:
            break
        chunks = _unpacked(chunks, unpack, name, limit)
        layers += 1
    return io.BufferedReader(_Raw(chunks), _CHUNK), layers > 0


class _Raw(io.RawIOBase):
    """An iterator of bytes as a raw stream."""

    def __init__(self, chunks: _Chunks) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


_Unpack = Callable[[_Chunks], _Chunks]


def _unpacker(head: bytes, name: str) -> _Unpack | None:
    if head.startswith(b"\x1f\x8b"):
        return _gunzipped
    # A zstd file begins with a frame, or with a frame to skip: 0x184D2A50 to 0x184D2A5F.
    if head.startswith(b"\x28\xb5\x2f\xfd") or (
        head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50
    ):
        return _unzstd
    for magic, kind in _REFUSED.items():
        if head.startswith(magic):
            raise RecordError(
                f"{name}: is {kind}; write it as UTF-8 text, plain or packed with gzip or zstd"
            )
    return None


def _peeked(chunks: _Chunks) -> tuple[bytes, _Chunks]:
    head = b""
    while len(head) < _HEAD and (piece := next(chunks, None)) is not None:
        head += piece
    return head[:_HEAD], chain([head], chunks)


def _unpacked(chunks: _Chunks, unpack: _Unpack, name: str, limit: int | None) -> _Chunks:
    """Yield the unpacked content, and refuse a file that grows too much."""
    read = written = 0

    def counted() -> _Chunks:
        nonlocal read
        for piece in chunks:
            read += len(piece)
            yield piece

    try:
        for piece in _guarded(unpack(counted()), name, limit):
            written += len(piece)
            if written > FREE_BYTES and written > MAX_RATIO * read:
                raise RecordError(
                    f"{name}: unpacks to more than {MAX_RATIO} times its size, which text does "
                    "not; unpack the file and check its content"
                )
            yield piece
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise RecordError(
            f"{name}: is damaged or incomplete ({error}); copy the file again"
        ) from error


def _guarded(chunks: _Chunks, name: str, limit: int | None) -> _Chunks:
    size = 0
    for piece in chunks:
        size += len(piece)
        if limit is not None and size > limit:
            raise RecordError(
                f"{name}: has more than {limit >> 20} MiB when it is unpacked; split the file"
            )
        yield piece


def _gunzipped(chunks: _Chunks) -> _Chunks:
    """Yield the content of all members; padding of zero bytes after a member is allowed."""
    member = None
    for piece in chunks:
        rest = piece
        while rest:
            if member is None:
                rest = rest.lstrip(b"\x00")
                if not rest:
                    break
                member = zlib.decompressobj(wbits=31)
            yield member.decompress(rest, _CHUNK)
            rest = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = None
    # The end of the input may leave output in the decoder.
    while member is not None and (more := member.decompress(member.unconsumed_tail, _CHUNK)):
        yield more
        if member.eof:
            return
    if member is not None:
        raise EOFError("the file ends early")


def _unzstd(chunks: _Chunks) -> _Chunks:
    frame = None
    for chunk in chunks:
        for start in range(0, len(chunk), _ZSTD_CHUNK):
            rest = chunk[start : start + _ZSTD_CHUNK]
            while rest:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(rest)
                rest = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame = None
    if frame is not None:
        raise EOFError("the file ends early")
