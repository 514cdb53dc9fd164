"""The object store in a bucket: the only module that imports boto3.

**Who won.** `if_absent` is `If-None-Match: *`, on single puts and on the completion
of multipart uploads alike. A request whose answer was lost is sent again and then
meets its own object; that must not look like another's. So every write carries a
random writer token in its metadata (hidden from readers), and whoever is refused
reads the object's token: ours means that we won after all, another's means
`EXISTED`, no object (the other one failed, a 409 conflict) means to try again.
Comparing contents would not do, for two writers may well write the same bytes.

**Retries.** botocore's own handle the short troubles; around them every call is
repeated for up to `Retry.seconds`, with growing random pauses, as long as the
error is one that time may heal. Refusals are told at once. After a budget that
ran out it is unknown whether a write happened: a caller that tries again finds out.

**Checksums.** botocore adds a CRC32 to what is sent and checks those it receives;
a store that does not know them needs AWS_REQUEST_CHECKSUM_CALCULATION=when_required.
Digests of parts and files are verified above, in `artifacts.py`.

**Credentials** come from boto3's chain. No message holds one, nor the text of a
server's answer, only its error code. A killed upload leaves an unfinished
multipart upload behind; a lifecycle rule of the bucket should end those.
"""

from __future__ import annotations

import copy
import io
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

import boto3
import tenacity
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore import exceptions as aws
from botocore.config import Config

from isheep.store.interface import (
    NoSuchKeyError,
    ObjectInfo,
    PutOutcome,
    StoreConditionError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
    check_key,
    check_metadata,
    check_prefix,
)
from isheep.store.local_files import explained, replacing
from isheep.store.probe import probe_conditions

T = TypeVar("T")
logger = logging.getLogger(__name__)

_WRITER = "isheep-writer"
_MEBIBYTE = 1 << 20
_TRANSFERS = 8
_MAX_PARTS = 10_000
_PROBE_SECONDS = 20.0

_PASSING_CODES = frozenset(
    {
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "BadDigest",
        "XAmzContentSHA256Mismatch",
        "XAmzContentChecksumMismatch",
    }
)
_NO_KEY_CODES = frozenset({"NoSuchKey", "404"})


class _Undecided(Exception):  # noqa: N818  (never leaves this module)
    """A conditional write was refused, yet no object is there: try again."""


_PASSING: tuple[type[Exception], ...] = (
    _Undecided,
    aws.ConnectionError,
    aws.HTTPClientError,
    aws.IncompleteReadError,
    aws.ResponseStreamingError,
    aws.FlexibleChecksumError,
    Boto3Error,  # s3transfer's own retries ran out
    ConnectionError,
    TimeoutError,
)


@dataclass(frozen=True, slots=True)
class _Remedy:
    """What to raise and to advise for error codes, HTTP statuses or kinds of exception."""

    raises: type[StoreError]
    text: str
    codes: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    kinds: tuple[type[Exception], ...] = ()

    def fits(self, error: Exception) -> bool:
        return (
            _code(error) in self.codes
            or _status(error) in self.statuses
            or isinstance(error, self.kinds)
        )


_REMEDIES = (
    _Remedy(
        StoreUnreachableError,
        "Create the bucket, or correct its name.",
        codes=frozenset({"NoSuchBucket"}),
    ),
    _Remedy(
        StoreFullError,
        "Free some space or raise the quota, then run again.",
        codes=frozenset({"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"}),
        statuses=frozenset({507}),
    ),
    _Remedy(
        StoreConditionError,
        "Use a store that knows conditional writes and uploads in parts.",
        codes=frozenset({"NotImplemented"}),
        statuses=frozenset({501}),
    ),
    _Remedy(
        StoreUnreachableError,
        "Check the credential: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile, or the "
        "Secret that the storage settings name.",
        codes=frozenset(
            {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
        ),
        kinds=(
            aws.NoCredentialsError,
            aws.PartialCredentialsError,
            aws.CredentialRetrievalError,
        ),
    ),
    _Remedy(
        StoreUnreachableError,
        "Give the credential the right to get, put, list and delete objects there.",
        statuses=frozenset({401, 403}),
    ),
    _Remedy(
        StoreUnreachableError,
        "The certificate is not trusted: name its authority in AWS_CA_BUNDLE.",
        kinds=(aws.SSLError,),
    ),
)


@dataclass(frozen=True, slots=True)
class Retry:
    """For how long a call is repeated, and the pauses between, in seconds."""

    seconds: float = 300.0
    first_pause: float = 0.5
    longest_pause: float = 20.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of an upload's part (larger files go up in parts) and of a read; keys of a page."""

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
        addressing: Literal["Virtual", "Path"] = "Virtual",
        retry: Retry = Retry(),
        sizes: Sizes = Sizes(),
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._retry = retry
        self._sizes = sizes
        config = Config(
            s3={"addressing_style": addressing.lower()},
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=4 * _TRANSFERS,
        )
        try:
            self._client = boto3.Session().client(
                "s3", endpoint_url=endpoint, region_name=region, config=config
            )
        except (aws.BotoCoreError, ValueError) as error:
            raise StoreUnreachableError(
                f"{self.uri}: the settings for AWS cannot be used ({type(error).__name__}). Check "
                "endpoint and region, in the storage settings and in the AWS_ variables and files."
            ) from error
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
            return PutOutcome.EXISTED  # found out before gigabytes are sent for nothing
        condition = {"IfNoneMatch": "*"} if if_absent else {}

        def attempt() -> PutOutcome:
            try:
                self._upload(key, body, described, condition)
            except aws.ClientError as error:
                if not _is_refused_condition(error):
                    raise
                return self._who_won(key, token, if_absent)
            return PutOutcome.WRITTEN

        return self._call("write", key, attempt)

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""

        def attempt() -> bytes:
            body: bytes = self._client.get_object(**self._at(key))["Body"].read()
            return body

        return self._call("read", key, attempt)

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`. A connection that breaks is resumed where it broke."""
        return io.BufferedReader(_ObjectReader(self, key), self._sizes.read)

    def download(self, key: str, path: Path) -> None:
        """See `ObjectStore.download`; large objects come in parallel ranges of one version."""
        transfer = TransferConfig(
            multipart_threshold=2 * self._sizes.part,
            multipart_chunksize=self._sizes.part,
            max_concurrency=_TRANSFERS,
        )
        where = self._at(key)
        with explained(f"copying {key} to {path}"), replacing(path) as temporary:
            self._call(
                "read",
                key,
                lambda: self._client.download_file(
                    where["Bucket"], where["Key"], str(temporary), Config=transfer
                ),
            )

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        try:
            answer = self._call("look at", key, lambda: self._client.head_object(**self._at(key)))
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
        """See `ObjectStore.local_path`: None."""
        check_key(key)
        return None

    def probe(self) -> None:
        """See `ObjectStore.probe`. Proves the condition on multipart uploads, too."""
        impatient = copy.copy(self)
        impatient._retry = replace(self._retry, seconds=min(self._retry.seconds, _PROBE_SECONDS))
        remedy = "Use a store that honours If-None-Match, or a newer version of this one."
        probe_conditions(impatient, remedy=remedy)
        impatient._probe_parts(remedy)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        check_prefix(prefix)
        asked: dict[str, Any] = {
            "Bucket": self._bucket,
            "Prefix": self._prefix + prefix,
            "MaxKeys": self._sizes.page,
        }
        while True:
            page = self._call("list", prefix, lambda: self._client.list_objects_v2(**asked))
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                yield ObjectInfo(key, entry["Size"], entry["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}

    def _upload(
        self,
        key: str,
        body: bytes | Path,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
    ) -> None:
        """Send the object once; raises `ClientError` 412 or 409 where the condition fails."""
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
        """Send `count` chunks as one object, a few at a time; raises as `_upload`."""
        where: dict[str, Any] = self._at(key)
        created = self._client.create_multipart_upload(**where, Metadata=metadata, **self._checksum)
        where["UploadId"] = created["UploadId"]

        def send(index: int) -> dict[str, Any]:
            body = chunk(index)
            answer = self._persist(
                lambda: self._client.upload_part(
                    **where, PartNumber=index + 1, Body=body, **self._checksum
                )
            )
            sums = {name: answer[name] for name in ("ETag", "ChecksumCRC32") if name in answer}
            return {"PartNumber": index + 1, **sums}

        try:
            with ThreadPoolExecutor(_TRANSFERS) as pool:
                parts = [*pool.map(send, range(count))]
            self._persist(
                lambda: self._client.complete_multipart_upload(
                    **where, MultipartUpload={"Parts": parts}, **condition
                )
            )
        except BaseException:
            # Also after an interrupt: parts of an unfinished upload cost money unseen.
            with suppress(aws.BotoCoreError, aws.ClientError):
                self._client.abort_multipart_upload(**where)
            raise

    def _probe_parts(self, remedy: str) -> None:
        """Upload in parts onto a key that exists; the completion must be refused."""
        key = f"probe/{secrets.token_hex(16)}"

        def attempt() -> bool:
            try:
                self._upload_parts(key, lambda _: b"second", 1, {}, {"IfNoneMatch": "*"})
            except aws.ClientError as error:
                if not _is_refused_condition(error):
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
                f"{self.uri} honours conditions on single uploads but not on uploads in parts, so "
                f"two workers could commit one model. {remedy}"
            )

    def _who_won(self, key: str, token: str, if_absent: bool) -> PutOutcome:
        """Say whose object stands under a key that refused ours."""
        try:
            found = self._client.head_object(**self._at(key))
        except aws.ClientError as error:
            if _status(error) == 404:
                raise _Undecided from error
            raise
        if found["Metadata"].get(_WRITER) == token:
            return PutOutcome.WRITTEN
        if not if_absent:
            raise _Undecided
        return PutOutcome.EXISTED

    def _call(self, verb: str, key: str, call: Callable[[], T]) -> T:
        """Carry out a call with retries; its errors leave as the store's own."""
        try:
            return self._persist(call)
        except (*_PASSING, aws.ClientError, aws.BotoCoreError) as error:
            raise self._explain(error, verb, key) from error

    def _persist(self, call: Callable[[], T]) -> T:
        retry = self._retry
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            stop=tenacity.stop_after_delay(retry.seconds),
            wait=tenacity.wait_random_exponential(retry.first_pause, retry.longest_pause),
            before_sleep=self._tell_of_retry,
            reraise=True,
        )(call)

    def _tell_of_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.warning(
            "%s does not answer (%s); trying again for up to %.0f s",
            self.uri,
            _code(error),
            max(0.0, self._retry.seconds - (state.seconds_since_start or 0.0)),
        )

    def _explain(self, error: Exception, verb: str, key: str) -> StoreError:
        if _code(error) in _NO_KEY_CODES:
            return NoSuchKeyError(f"{key} does not exist in {self.uri}")
        cause = f"cannot {verb} {key or 'the store'} in {self.uri} ({_code(error)})"
        if _may_pass(error):
            return StoreUnreachableError(
                f"{cause}, for {self._retry.seconds:.0f} s. Check endpoint, network and the state "
                "of the store, then run again."
            )
        for remedy in _REMEDIES:
            if remedy.fits(error):
                return remedy.raises(f"{cause}. {remedy.text}")
        return StoreError(
            f"{cause}. The store refuses the request: check bucket, region and endpoint."
        )


class _ObjectReader(io.RawIOBase):
    """A stream over one version of an object, which goes on after a broken connection."""

    def __init__(self, store: S3Store, key: str) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._position = 0
        self._version: str | None = None
        self._body: Any = None
        self._body = store._call("read", key, self._connect)

    def _connect(self) -> Any:
        resumed = (
            {"Range": f"bytes={self._position}-", "IfMatch": self._version}
            if self._version is not None
            else {}
        )
        answer = self._store._client.get_object(**self._store._at(self._key), **resumed)
        self._version = answer["ETag"]
        return answer["Body"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        def attempt() -> bytes:
            if self._body is None:
                self._body = self._connect()
            try:
                chunk: bytes = self._body.read(len(buffer))
            except (aws.BotoCoreError, OSError):
                self._body = None
                raise
            return chunk

        chunk = self._store._call("read", self._key, attempt)
        buffer[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def close(self) -> None:
        if not self.closed and self._body is not None:
            self._body.close()
        super().close()


def _code(error: BaseException | None) -> str:
    """Return the error's code or kind: never its text, which a server may fill with anything."""
    if isinstance(error, aws.ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__.lstrip("_")


def _status(error: BaseException) -> int:
    if not isinstance(error, aws.ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_refused_condition(error: aws.ClientError) -> bool:
    """Whether a write failed because of another one, or of our own whose answer was lost.

    412 says that the key exists, 409 that another write is under way; an upload whose
    completion was answered to nobody is gone when it is completed again.
    """
    return _status(error) in (409, 412) or _code(error) == "NoSuchUpload"


def _may_pass(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    if isinstance(error, aws.ClientError):
        if _code(error) in _PASSING_CODES or _status(error) == 429:
            return True
        return _status(error) >= 500 and _status(error) not in (501, 507)
    if isinstance(error, aws.SSLError):
        return False
    return isinstance(error, _PASSING)
