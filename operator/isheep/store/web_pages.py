"""Web pages in place of the answers of an S3 API, such as those of the web console of a store.

botocore takes an answer with the status 200 that is no XML for a part of a true answer, and gives
it the status 500, so that the call is repeated. That is right for a connection that broke, and
wrong for a page that a web server sends to each request. So a hook looks at the status and the body
that came, and marks the error.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

MARK = "x-isheep-web-page"
"""A header that no server sends; botocore keeps the headers of an answer with its errors."""
REMEDY = (
    "The endpoint answers with a web page and not as an S3 API does: it may be the web console of "
    "a store, or another web server. Set the endpoint to the address of the S3 API."
)
_BEGINNINGS = (b"<!doctype html", b"<html")


def mark_web_page(
    response_dict: Mapping[str, Any] | None,
    parsed_response: MutableMapping[str, Any] | None,
    **_: object,
) -> None:
    """Mark the error of a web page that came with the status 200; a hook of `response-received`.

    An object may be a page, so only answers that are read as XML are marked. Their body is bytes.
    """
    if response_dict is None or parsed_response is None or response_dict["status_code"] != 200:
        return
    body = response_dict.get("body")
    if isinstance(body, bytes) and body.lstrip()[:20].lower().startswith(_BEGINNINGS):
        metadata = parsed_response.setdefault("ResponseMetadata", {})
        metadata.setdefault("HTTPHeaders", {})[MARK] = "yes"


def is_web_page(response: Mapping[str, Any]) -> bool:
    """Return whether the answer of an error of botocore was a web page."""
    return MARK in response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
