"""Web pages in place of the answers of an S3 API; `test_s3_wrong_endpoints` sends requests."""

from __future__ import annotations

import io
from typing import Any

import pytest

from isheep.store.web_pages import is_web_page, mark_web_page

PAGE = b"\n<!DOCTYPE html><p>Log in<br>"


@pytest.mark.parametrize(
    ("status", "body", "marked"),
    [
        (200, PAGE, True),
        (200, b"<HTML lang=en><p>Log in", True),
        (200, b"<?xml version='1.0'?><ListBucketResult><Name>a</Na", False),
        (200, b"", False),
        (200, io.BytesIO(PAGE), False),
        (500, PAGE, False),
        (503, PAGE, False),
    ],
)
def test_only_a_page_with_the_status_of_success_is_marked(
    status: int, body: Any, marked: bool
) -> None:
    parsed: dict[str, Any] = {"ResponseMetadata": {"HTTPStatusCode": 500, "HTTPHeaders": {}}}
    mark_web_page({"status_code": status, "body": body}, parsed, context={})
    assert is_web_page(parsed) is marked


def test_a_request_without_an_answer_is_not_marked() -> None:
    mark_web_page(None, None)
    assert not is_web_page({})
