"""The URLs of object stores and judges: names and addresses, and nothing that hides a host."""

from __future__ import annotations

import re

import pytest

from isheep.api.judge import ENDPOINT_URL_PATTERN
from isheep.api.storage import S3_ENDPOINT_PATTERN

PATTERNS = (S3_ENDPOINT_PATTERN, ENDPOINT_URL_PATTERN)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    "url",
    [
        "https://s3.example.com",
        "http://minio:9000/",
        "http://192.0.2.7:9000/v1",
        "http://[::1]",
        "https://[2001:db8::7]:9000/v1",
        "https://[::ffff:192.0.2.7]/v1",
    ],
)
def test_an_endpoint_is_a_name_or_an_address(pattern: str, url: str) -> None:
    assert re.search(pattern, url)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(
    "url",
    [
        "https://user:password@s3.example.com",
        "https://[2001:db8::7]@evil.example.com",
        "https://[2001:db8::7].evil.example.com",
        "https://[2001:db8::7",
        "https://[s3.example.com]",
        "https://s3.example.com?x-id=1",
        "ftp://s3.example.com",
    ],
)
def test_an_endpoint_has_no_user_and_no_query(pattern: str, url: str) -> None:
    assert not re.search(pattern, url)
