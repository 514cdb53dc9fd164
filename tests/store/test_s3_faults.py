"""Faults between this process and a bucket. The store is a real SeaweedFS.

The tests inject faults by the events of botocore: a handler changes a request or drops an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions as aws

from isheep.store.interface import (
    NoSuchKeyError,
    PutOutcome,
    StoreConditionError,
    StoreError,
    StoreRefusedError,
    StoreUnreachableError,
)
from isheep.store.outages import OUTAGES
from isheep.store.s3 import Retry, S3Store

from .conftest import ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFS, free_ports

BRIEF = Retry(seconds=0.3, first_pause=0.05, longest_pause=0.1)


def _on(store: S3Store, event: str, handler: Callable[..., Any]) -> None:
    store._client.meta.events.register(event, handler)


def _lose_answers(store: S3Store, operation: str, count: int) -> list[str]:
    """Drop the first `count` successful answers of an operation; the calls take effect."""
    lost: list[str] = []

    def lose(http_response: Any, **_: Any) -> None:
        if http_response.status_code < 300 and len(lost) < count:
            lost.append(operation)
            raise aws.ConnectionClosedError(endpoint_url="lost")

    _on(store, f"after-call.s3.{operation}", lose)
    return lost


def _answer(
    store: S3Store, operation: str, status: int, code: str, count: int = 1_000
) -> list[int]:
    """Replace the first `count` answers of an operation by an error of the store."""
    given: list[int] = []

    def answer(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        if len(given) < count:
            given.append(status)
            http_response.status_code = status
            parsed.clear()
            parsed["Error"] = {"Code": code, "Message": f"{ACCESS_KEY} {SECRET_KEY}"}
            parsed["ResponseMetadata"] = {"HTTPStatusCode": status}

    _on(store, f"after-call.s3.{operation}", answer)
    return given


def _big_file(tmp_path: Path) -> Path:
    path = tmp_path / "big"
    path.write_bytes(bytes(range(256)) * (13 << 12))
    return path


def test_a_write_whose_answer_was_lost_counts_as_written(seaweedfs: SeaweedFS) -> None:
    store = seaweedfs.store()
    lost = _lose_answers(store, "PutObject", 1)
    assert store.put("k", b"same", if_absent=True) is PutOutcome.WRITTEN
    assert len(lost) == 1


def test_equal_content_of_another_writer_counts_as_existed(seaweedfs: SeaweedFS) -> None:
    store = seaweedfs.store()
    store.put("k", b"same", if_absent=True)
    assert store.put("k", b"same", if_absent=True) is PutOutcome.EXISTED


@pytest.mark.parametrize("if_absent", [True, False])
def test_a_completion_whose_answer_was_lost_counts_as_written(
    seaweedfs: SeaweedFS, tmp_path: Path, if_absent: bool
) -> None:
    store = seaweedfs.store()
    path = _big_file(tmp_path)
    lost = _lose_answers(store, "CompleteMultipartUpload", 1)
    outcome = store.put("k", path, if_absent=if_absent, metadata={"a": "b"})
    assert (outcome, len(lost)) == (PutOutcome.WRITTEN, 1)
    info = store.head("k")
    assert info is not None
    assert (info.size, dict(info.metadata)) == (path.stat().st_size, {"a": "b"})


def test_a_large_file_that_is_refused_at_its_completion_leaves_no_upload(
    seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    store = seaweedfs.store()
    path = _big_file(tmp_path)

    def rival(**_: Any) -> None:
        seaweedfs.store(store.uri.removeprefix(f"s3://{BUCKET}/")).put("k", b"rival")

    _on(store, "before-call.s3.CompleteMultipartUpload", rival)
    assert store.put("k", path, if_absent=True) is PutOutcome.EXISTED
    assert store.get("k") == b"rival"
    uploads = store._client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    assert [u for u in uploads if u["Key"].endswith(f"{store._prefix}k")] == []


def test_a_conflict_without_an_object_is_retried(seaweedfs: SeaweedFS) -> None:
    """409 means that another write was in progress; that write then failed."""
    store = seaweedfs.store()
    given = _answer(store, "PutObject", 409, "ConditionalRequestConflict", count=1)

    # The call with the replaced answer has written the object; it is deleted before the HEAD.
    def vanish(**_: Any) -> None:
        store._client.delete_object(**store._at("k"))

    _on(store, "before-call.s3.HeadObject", vanish)
    assert store.put("k", b"x", if_absent=True) is PutOutcome.WRITTEN
    assert given == [409]


@pytest.mark.parametrize(
    ("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout")]
)
def test_a_transient_error_is_retried(seaweedfs: SeaweedFS, status: int, code: str) -> None:
    store = seaweedfs.store()
    given = _answer(store, "PutObject", status, code, count=4)
    assert store.put("k", b"x") is PutOutcome.WRITTEN
    assert len(given) == 4
    assert store.get("k") == b"x"


def test_an_error_that_stays_is_raised_after_the_retries(seaweedfs: SeaweedFS) -> None:
    store = seaweedfs.store(retry=BRIEF)
    _answer(store, "ListObjectsV2", 503, "SlowDown")
    with pytest.raises(StoreUnreachableError, match=r"cannot list a/ in s3://.*SlowDown.*Check"):
        list(store.list("a/"))


def test_a_broken_stream_resumes_at_its_position(seaweedfs: SeaweedFS) -> None:
    store = seaweedfs.store()
    content = bytes(range(256)) * 4096
    store.put("k", content)
    breaks: list[int] = []

    def break_off(parsed: dict[str, Any], **_: Any) -> None:
        body = parsed["Body"]
        read = body.read

        def stop(size: int) -> bytes:
            if len(breaks) < 3 and body.tell() > 0:
                breaks.append(body.tell())
                raise ConnectionResetError("broken")
            chunk: bytes = read(size)
            return chunk

        body.read = stop

    _on(store, "after-call.s3.GetObject", break_off)
    with store.open("k") as stream:
        assert stream.read() == content
    assert len(breaks) == 3


def test_a_stream_never_mixes_two_versions(seaweedfs: SeaweedFS) -> None:
    store = seaweedfs.store()
    store.put("k", b"a" * 300_000)
    with store.open("k") as stream:
        assert stream.read(10) == b"a" * 10
        store.put("k", b"b" * 300_000)
        stream.raw._body = None  # type: ignore[attr-defined]  # the connection is lost
        with pytest.raises(StoreError, match="PreconditionFailed"):
            stream.read()


def test_a_wrong_checksum_stores_nothing(seaweedfs: SeaweedFS) -> None:
    store = seaweedfs.store(retry=BRIEF)

    def falsify(params: dict[str, Any], **_: Any) -> None:
        params["ChecksumSHA256"] = "A" * 43 + "="
        params.pop("ChecksumAlgorithm", None)

    _on(store, "provide-client-params.s3.PutObject", falsify)
    with pytest.raises(StoreError, match="BadDigest"):
        store.put("k", b"x")
    assert store.head("k") is None


def test_an_object_is_sent_with_a_checksum(seaweedfs: SeaweedFS) -> None:
    store = seaweedfs.store()
    store.put("k", b"x")
    found = store._client.head_object(**store._at("k"), ChecksumMode="ENABLED")
    assert found["ChecksumCRC32"]


def test_an_endpoint_without_a_server_is_unreachable() -> None:
    port = free_ports(1)[0]
    store = S3Store("bkt", endpoint=f"http://127.0.0.1:{port}", region="r", retry=BRIEF)
    with pytest.raises(StoreUnreachableError, match=r"s3://bkt.*EndpointConnectionError.*Check"):
        store.probe()


def test_an_invalid_endpoint_is_an_error() -> None:
    with pytest.raises(StoreRefusedError, match="Check endpoint"):
        S3Store("bkt", endpoint="nonsense", region="us-east-1")


@pytest.mark.parametrize(
    ("access_key", "secret_key"), [(ACCESS_KEY, "another-secret"), ("UNKNOWNKEY", SECRET_KEY)]
)
def test_the_error_for_a_wrong_credential_does_not_contain_it(
    seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch, access_key: str, secret_key: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret_key)
    store = seaweedfs.store()
    with pytest.raises(StoreRefusedError, match=r"[Cc]redential|right to") as caught:
        store.put("k", b"x")
    for secret in (access_key, secret_key):
        assert secret not in str(caught.value)
        assert secret not in repr(store)


def test_a_missing_credential_is_an_error_that_names_the_variables(
    seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(StoreRefusedError, match=r"NoCredentialsError.*AWS_ACCESS_KEY_ID"):
        seaweedfs.store().get("k")


@pytest.mark.parametrize(
    ("status", "code", "kind", "remedy"),
    [
        (404, "NoSuchBucket", StoreRefusedError, "Create the bucket"),
        (403, "AccessDenied", StoreRefusedError, "right to get, put"),
        (403, "ExpiredToken", StoreRefusedError, "Check the credential"),
        (507, "InsufficientStorage", StoreError, "Free some space"),
        (403, "QuotaExceeded", StoreError, "quota"),
        (501, "NotImplemented", StoreConditionError, "conditional writes"),
        (400, "InvalidRequest", StoreError, "check bucket, region and endpoint"),
    ],
)
def test_an_error_that_cannot_pass_is_raised_at_once_with_its_remedy(
    seaweedfs: SeaweedFS, status: int, code: str, kind: type[StoreError], remedy: str
) -> None:
    store = seaweedfs.store()
    given = _answer(store, "PutObject", status, code)
    with pytest.raises(kind, match=remedy) as caught:
        store.put("k", b"x")
    assert len(given) == 1
    assert code in str(caught.value)
    assert SECRET_KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "message"),
    [("PutObject", "second writer"), ("CompleteMultipartUpload", "multipart uploads")],
)
def test_a_store_that_ignores_conditions_fails_its_probe(
    seaweedfs: SeaweedFS, operation: str, message: str
) -> None:
    store = seaweedfs.store()

    def ignore(params: dict[str, Any], **_: Any) -> None:
        params.pop("IfNoneMatch", None)

    _on(store, f"provide-client-params.s3.{operation}", ignore)
    with pytest.raises(StoreConditionError, match=message + ".*If-None-Match"):
        store.probe()
    assert list(store.list("")) == []


def test_a_store_that_drops_metadata_fails_its_probe(seaweedfs: SeaweedFS) -> None:
    store = seaweedfs.store()

    def drop(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Metadata"] = {}

    _on(store, "after-call.s3.HeadObject", drop)
    with pytest.raises(StoreConditionError, match="metadata"):
        store.probe()


def test_a_download_that_fails_leaves_no_file(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    store = seaweedfs.store(retry=BRIEF)
    store.put("k", b"x")
    _answer(store, "GetObject", 500, "InternalError")
    with pytest.raises(StoreUnreachableError):
        store.download("k", tmp_path / "copy")
    with pytest.raises(NoSuchKeyError):
        store.download("missing", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What this process has said that it waits for."""
    texts: list[str] = []
    monkeypatch.setattr(OUTAGES, "_on_change", texts.append)
    return texts


def test_an_outage_is_reported_until_the_store_answers(
    seaweedfs: SeaweedFS, heard: list[str]
) -> None:
    store = seaweedfs.store()
    store.put("k", b"x")
    assert heard == []
    _answer(store, "GetObject", 429, "SlowDown", count=2)
    assert store.get("k") == b"x"
    assert heard == [f"{store.uri} does not answer (SlowDown)", ""]


def test_an_outage_is_over_when_a_call_has_given_up(heard: list[str]) -> None:
    (port,) = free_ports(1)
    store = S3Store(BUCKET, endpoint=f"http://127.0.0.1:{port}", region="here", retry=BRIEF)
    with pytest.raises(StoreError):
        store.get("k")
    assert heard[0].startswith(f"s3://{BUCKET} does not answer (")
    assert heard[-1] == ""
