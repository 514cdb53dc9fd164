"""Streams between S3 and this process: a resumable download and a multipart upload.

Both work on one object and leave retries to their caller. So they take the calls to S3 as
functions, and the store wraps each call in its own retries.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from isheep.store.s3_errors import CLIENT_ERRORS, CONNECTION_ERRORS

T = TypeVar("T")

TRANSFERS = 8
"""How many parts of one object are sent or received at the same time."""


class RetryCall(Protocol):
    """Calls a function, and calls it again after an error that may pass."""

    def __call__(self, call: Callable[[], T], /) -> T:
        """Return what `call` returns."""


class ObjectReader(io.RawIOBase):
    """A stream over one version of an object that resumes after a broken connection.

    `get` requests the object with the given additional parameters and returns the answer.
    """

    def __init__(self, get: Callable[[Mapping[str, str]], Any], retry: RetryCall) -> None:
        super().__init__()
        self._get = get
        self._retry = retry
        self._position = 0
        self._version: str | None = None
        self._body: Any = None
        self._body = retry(self._connect)

    def _connect(self) -> Any:
        # After the first request `IfMatch` pins the version. If another writer replaced the
        # object, the request fails, so the stream never mixes the bytes of two versions.
        resumed = (
            {"Range": f"bytes={self._position}-", "IfMatch": self._version}
            if self._version is not None
            else {}
        )
        answer = self._get(resumed)
        self._version = answer["ETag"]
        return answer["Body"]

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer and return the number of bytes; 0 at the end of the object."""

        def attempt() -> bytes:
            if self._body is None:
                self._body = self._connect()
            try:
                chunk: bytes = self._body.read(len(buffer))
            except CONNECTION_ERRORS:
                # The next attempt opens a new connection at the current position.
                self._body = None
                raise
            return chunk

        chunk = self._retry(attempt)
        buffer[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def close(self) -> None:
        """Close the connection."""
        if not self.closed and self._body is not None:
            self._body.close()
        super().close()


def upload_parts(
    client: Any,
    place: Mapping[str, str],
    chunk: Callable[[int], bytes],
    count: int,
    *,
    metadata: Mapping[str, str],
    condition: Mapping[str, str],
    checksum: Mapping[str, str],
    retry: RetryCall,
) -> None:
    """Send `count` chunks as one object, `TRANSFERS` at a time.

    `place` is the object's bucket and key. The condition applies to the completion, which makes
    the object appear. Raises the client's error for HTTP 412 or 409 if the condition fails.
    """
    created = client.create_multipart_upload(**place, Metadata=metadata, **checksum)
    upload = {**place, "UploadId": created["UploadId"]}

    def send(index: int) -> dict[str, Any]:
        body = chunk(index)
        answer = retry(
            lambda: client.upload_part(**upload, PartNumber=index + 1, Body=body, **checksum)
        )
        sums = {name: answer[name] for name in ("ETag", "ChecksumCRC32") if name in answer}
        return {"PartNumber": index + 1, **sums}

    try:
        with ThreadPoolExecutor(TRANSFERS) as pool:
            parts = [*pool.map(send, range(count))]
        retry(
            lambda: client.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}, **condition
            )
        )
    except BaseException:
        # An interrupt aborts the upload, too: the store charges for the parts of an unfinished
        # upload, and no listing of objects shows them.
        with suppress(*CLIENT_ERRORS):
            client.abort_multipart_upload(**upload)
        raise
