from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from isheep.contract.store_spec import FolderStoreSpec, S3StoreSpec, StoreSpec, parse_store_uri


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://my-bucket", StoreSpec(s3=S3StoreSpec(bucket="my-bucket"))),
        ("s3://my-bucket/", StoreSpec(s3=S3StoreSpec(bucket="my-bucket"))),
        ("s3://my-bucket/a/b/", StoreSpec(s3=S3StoreSpec(bucket="my-bucket", prefix="a/b"))),
        ("/data/store", StoreSpec(folder=FolderStoreSpec(path="/data/store"))),
        ("file:///data/my%20store", StoreSpec(folder=FolderStoreSpec(path="/data/my store"))),
    ],
)
def test_a_uri_names_its_store_and_back(uri: str, expected: StoreSpec) -> None:
    assert parse_store_uri(uri) == expected
    assert parse_store_uri(expected.uri) == expected


def test_a_relative_folder_and_a_home_folder_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert parse_store_uri("./isheep-store").uri == f"{tmp_path}/isheep-store"
    assert parse_store_uri("~/store").uri == "/home/someone/store"


def test_settings_of_s3_are_kept() -> None:
    spec = parse_store_uri(
        "s3://bucket/p", endpoint="http://localhost:8333", region="eu-west-1", addressing="Path"
    )
    assert StoreSpec.model_validate_json(spec.model_dump_json(exclude_none=True)) == spec
    assert spec.s3 is not None
    assert (spec.s3.endpoint, spec.s3.addressing) == ("http://localhost:8333", "Path")


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("", "give a folder"),
        ("gs://bucket", "give a folder or s3://bucket/prefix"),
        ("s3://", "not valid: bucket"),
        ("s3://b", "bucket"),
        ("s3://KEY:SECRET@bucket/p", "without a credential"),
        ("s3://bucket/a//b", "prefix"),
        ("s3://bucket/../b", "prefix"),
        ("s3://bucket/a/..", "prefix"),
        ("s3://bucket/a?x=1", "remove the part after '\\?' or '#'"),
        ("file://host/data", "three slashes"),
    ],
)
def test_a_bad_uri_is_refused(uri: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        parse_store_uri(uri)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"folder": {"path": "/a"}, "s3": {"bucket": "bucket"}},
        {"folder": {"path": "relative"}},
        {"s3": {"bucket": "bucket", "prefix": "/a"}},
        {"s3": {"bucket": "bucket", "prefix": "../.."}},
        {"s3": {"bucket": "bucket", "endpoint": "http://user:password@host"}},
        {"s3": {"bucket": "bucket", "endpoint": "host:9000"}},
        {"s3": {"bucket": "bucket", "addressing": "Auto"}},
    ],
)
def test_a_bad_spec_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StoreSpec.model_validate(document)
