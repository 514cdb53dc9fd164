"""The object store in a bucket.

**Which writer wins.** `if_absent` is the header `If-None-Match: *`, on single puts and on the
completion of multipart uploads. If the answer to a request is lost, the request is sent again and
meets its own object, which must not count as another writer's. So every write has a random writer
token in its metadata, which readers do not see. A writer that is refused reads the token of the
stored object: our token means that our write succeeded, another token means `EXISTED`, and no
object means that the other write failed (a 409 conflict) and that ours is tried again. A
comparison of contents is not enough, because two writers may write the same bytes.

**Retries.** botocore retries short problems. In addition, every call is repeated for up to
`Retry.seconds` with growing random pauses, as long as the error may pass. Other errors are raised
at once. When the retries end without success, it is unknown whether a write happened; a caller
that tries again finds out.

**Checksums.** botocore adds a CRC32 to what it sends and checks the CRC32 of what it receives. A
store without support for them needs AWS_REQUEST_CHECKSUM_CALCULATION=when_required. `artifacts.py`
verifies the digests of parts and files.

**Credentials** come from boto3's chain. No message contains a credential or the text of a server's
answer; a message contains the error code only. A killed upload leaves an unfinished multipart
upload, which a lifecycle rule of the bucket should abort.
"""

from __future__ import annotations

import copy
import io
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import boto3
import tenacity
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from isheep.contract.choices import Addressing
from isheep.store.interface import (
    NoSuchKeyError,
    ObjectInfo,
    PutOutcome,
    StoreConditionError,
    StoreError,
    StoreRefusedError,
    check_key,
    check_metadata,
    check_prefix,
)
from isheep.store.local_files import explained, replacing
from isheep.store.outages import OUTAGES
from isheep.store.probe import probe_conditions
from isheep.store.s3_errors import (
    CALL_ERRORS,
    CLIENT_ERRORS,
    SETTINGS_ERRORS,
    UndecidedWriteError,
    concerns_store,
    error_code,
    explained_error,
    http_status,
    is_refused_condition,
    is_transient,
)
from isheep.store.s3_stream import TRANSFERS, ObjectReader, upload_parts
from isheep.store.web_pages import mark_web_page

T = TypeVar("T")
logger = logging.getLogger(__name__)

_WRITER = "isheep-writer"
_MEBIBYTE = 1 << 20
_MAX_PARTS = 10_000
_PROBE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Retry:
    """How long a call is repeated, and the first and longest pause between calls, in seconds."""

    seconds: float = 300.0
    first_pause: float = 0.5
    longest_pause: float = 20.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """The bytes of an upload's part and of a read, and the keys of a page of a listing.

    A file that is larger than `part` is uploaded in parts.
    """

    part: int = 16 * _MEBIBYTE
    read: int = _MEBIBYTE
    page: int = 1000


class S3Store:
    """Objects of one bucket under one prefix."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str | None = None,
        region: str | None = None,
        addressing: Addressing | None = None,
        retry: Retry = Retry(),
        sizes: Sizes = Sizes(),
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._retry = retry
        self._sizes = sizes
        config = Config(
            s3={"addressing_style": addressing.lower()} if addressing else None,
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=4 * TRANSFERS,
        )
        try:
            self._client = boto3.Session().client(
                "s3", endpoint_url=endpoint, region_name=region, config=config
            )
        except SETTINGS_ERRORS as error:
            raise StoreRefusedError(
                f"{self.uri}: the settings for AWS cannot be used ({type(error).__name__}). Check "
                "endpoint and region, in the storage settings and in the AWS_ variables and files."
            ) from error
        if endpoint is not None:
            self._client.meta.events.register("before-parameter-build.s3", _stay_at_the_endpoint)
        self._client.meta.events.register("response-received.s3", mark_web_page)
        meta = self._client.meta.config
        self._checksum = (
            {"ChecksumAlgorithm": "CRC32"}
            if meta.request_checksum_calculation == "when_supported"
            else {}
        )

    def __repr__(self) -> str:
        return f"S3Store({self.uri!r})"

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(
        self,
        key: str,
        body: bytes | Path,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> PutOutcome:
        """See `ObjectStore.put`."""
        token = secrets.token_hex(16)
        described = {**check_metadata(metadata), _WRITER: token}
        if if_absent and isinstance(body, Path) and self.head(key) is not None:
            # The condition alone is correct. But S3 checks it after the last byte, and a file may
            # have gigabytes, so this check saves a useless upload.
            return PutOutcome.EXISTED
        condition = {"IfNoneMatch": "*"} if if_absent else {}

        def attempt() -> PutOutcome:
            try:
                self._upload(key, body, described, condition)
            except CLIENT_ERRORS as error:
                if not is_refused_condition(error):
                    raise
                # The object that refused the write may be our own: an earlier attempt may have
                # stored it before its answer was lost. This also happens without `if_absent`: a
                # repeated completion of a multipart upload fails with NoSuchUpload.
                return self._outcome_of_refused(key, token, if_absent)
            return PutOutcome.WRITTEN

        # All attempts have one token, so each attempt recognizes the object of an earlier one.
        return self._call("write", key, attempt)

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""

        def attempt() -> bytes:
            body: bytes = self._client.get_object(**self._at(key))["Body"].read()
            return body

        return self._call("read", key, attempt)

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`. The stream resumes after a broken connection."""

        def get(parameters: Mapping[str, str]) -> Any:
            return self._client.get_object(**self._at(key), **parameters)

        def retry(call: Callable[[], T]) -> T:
            return self._call("read", key, call)

        return io.BufferedReader(ObjectReader(get, retry), self._sizes.read)

    def download(self, key: str, path: Path) -> None:
        """See `ObjectStore.download`. A large object is read in parallel ranges of one version."""
        transfer = TransferConfig(
            multipart_threshold=2 * self._sizes.part,
            multipart_chunksize=self._sizes.part,
            max_concurrency=TRANSFERS,
        )
        place = self._at(key)
        with explained(f"copying {key} to {path}"), replacing(path) as temporary:
            self._call(
                "read",
                key,
                lambda: self._client.download_file(
                    place["Bucket"], place["Key"], str(temporary), Config=transfer
                ),
            )

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        try:
            answer = self._call("inspect", key, lambda: self._client.head_object(**self._at(key)))
        except NoSuchKeyError:
            return None
        metadata = {name: value for name, value in answer["Metadata"].items() if name != _WRITER}
        return ObjectInfo(
            key, answer["ContentLength"], answer["LastModified"].timestamp(), metadata
        )

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        self._call("delete", key, lambda: self._client.delete_object(**self._at(key)))

    def local_path(self, key: str) -> Path | None:
        """Return None, because an object of a bucket has no local path."""
        check_key(key)
        return None

    def probe(self) -> None:
        """See `ObjectStore.probe`. Checks the condition on multipart uploads, too."""
        quick = copy.copy(self)
        quick._retry = replace(self._retry, seconds=min(self._retry.seconds, _PROBE_SECONDS))
        remedy = "Use a store that honours If-None-Match, or a newer version of this one."
        probe_conditions(quick, remedy=remedy)
        quick._probe_parts(remedy)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        check_prefix(prefix)
        request: dict[str, Any] = {
            "Bucket": self._bucket,
            "Prefix": self._prefix + prefix,
            "MaxKeys": self._sizes.page,
        }
        while True:
            page = self._call("list", prefix, lambda: self._client.list_objects_v2(**request))
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                yield ObjectInfo(key, entry["Size"], entry["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}

    def _upload(
        self,
        key: str,
        body: bytes | Path,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
    ) -> None:
        """Send the object once. Raises the client's error 412 or 409 if the condition fails."""
        if isinstance(body, Path):
            path = body
            with explained(f"reading {path}"):
                size = path.stat().st_size
            if size > self._sizes.part:
                part_size = max(self._sizes.part, -(-size // _MAX_PARTS))

                def chunk(index: int) -> bytes:
                    with explained(f"reading {path}"), path.open("rb") as stream:
                        stream.seek(index * part_size)
                        return stream.read(part_size)

                count = -(-size // part_size)
                self._upload_parts(key, chunk, count, metadata, condition)
                return
            with explained(f"reading {path}"):
                body = path.read_bytes()
        self._client.put_object(
            **self._at(key), Body=body, Metadata=metadata, **condition, **self._checksum
        )

    def _upload_parts(
        self,
        key: str,
        chunk: Callable[[int], bytes],
        count: int,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
    ) -> None:
        upload_parts(
            self._client,
            self._at(key),
            chunk,
            count,
            metadata=metadata,
            condition=condition,
            checksum=self._checksum,
            retry=self._with_retries,
        )

    def _probe_parts(self, remedy: str) -> None:
        """Upload in parts to a key that exists. The store must refuse the completion."""
        key = f"probe/{secrets.token_hex(16)}"

        def attempt() -> bool:
            try:
                self._upload_parts(key, lambda _: b"second", 1, {}, {"IfNoneMatch": "*"})
            except CLIENT_ERRORS as error:
                if not is_refused_condition(error):
                    raise
                return True
            return False

        self.put(key, b"first")
        try:
            refused = self._call("write", key, attempt)
        finally:
            with suppress(StoreError):
                self.delete(key)
        if not refused:
            raise StoreConditionError(
                f"{self.uri} honours conditions on single uploads but not on multipart uploads, so "
                f"two workers could commit the same model. {remedy}"
            )

    def _outcome_of_refused(self, key: str, token: str, if_absent: bool) -> PutOutcome:
        """Return the outcome of a refused write, from the writer token of the stored object."""
        try:
            found = self._client.head_object(**self._at(key))
        except CLIENT_ERRORS as error:
            if http_status(error) == 404:
                raise UndecidedWriteError from error
            raise
        if found["Metadata"].get(_WRITER) == token:
            return PutOutcome.WRITTEN
        if not if_absent:
            # Another writer's object does not answer an unconditional write: it replaces it.
            raise UndecidedWriteError
        return PutOutcome.EXISTED

    def _call(self, verb: str, key: str, call: Callable[[], T]) -> T:
        """Make a call with retries, and raise its errors as the store's errors."""
        try:
            return self._with_retries(call)
        except CALL_ERRORS as error:
            if not concerns_store(error):
                raise
            raise explained_error(
                error, verb=verb, key=key, uri=self.uri, retried_seconds=self._retry.seconds
            ) from error
        finally:
            OUTAGES.end(self.uri)

    def _with_retries(self, call: Callable[[], T]) -> T:
        retry = self._retry
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_transient),
            stop=tenacity.stop_after_delay(retry.seconds),
            wait=tenacity.wait_random_exponential(retry.first_pause, retry.longest_pause),
            before_sleep=self._log_retry,
            reraise=True,
        )(call)

    def _log_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        OUTAGES.begin(self.uri, error_code(error))
        logger.warning(
            "%s does not answer (%s); retrying for up to %.0f s",
            self.uri,
            error_code(error),
            max(0.0, self._retry.seconds - (state.seconds_since_start or 0.0)),
        )


def _stay_at_the_endpoint(context: dict[str, Any], **_: object) -> None:
    """Prevent that botocore looks for the region of a bucket after a redirect.

    It does so at the same endpoint. If that redirects each request, as a server that has https
    only, botocore calls itself without end.
    """
    context.setdefault("s3_redirect", {})["redirected"] = True
