"""Endpoints that are no S3 API: each is refused at the first call, with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from isheep.store.interface import StoreRefusedError, StoreUnreachableError
from isheep.store.s3 import Retry, S3Store


@contextmanager
def served(status: int, body: bytes, headers: dict[str, str]) -> Iterator[S3Store]:
    """Serve one answer to all requests, and yield the store that asks there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        do_HEAD = do_PUT = do_DELETE = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield S3Store(
            "bucket",
            endpoint=f"http://127.0.0.1:{server.server_port}",
            region="us-east-1",
            addressing="Path",
            retry=Retry(seconds=0.1, first_pause=0.1, longest_pause=0.1),
        )
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")


CALLS: tuple[Callable[[S3Store], object], ...] = (
    lambda store: list(store.list("")),
    lambda store: store.get("a"),
    lambda store: store.head("a"),
)


def test_a_redirect_is_refused_and_not_followed() -> None:
    """botocore would look for the region of the bucket at the same endpoint, without end."""
    with served(301, b"", {"Location": "https://127.0.0.1:1/"}) as store:
        for call in CALLS:
            with pytest.raises(StoreRefusedError, match="the endpoint without a redirect"):
                call(store)


def test_a_web_server_without_the_bucket_is_refused() -> None:
    with (
        served(404, b"<html>", {"Content-Type": "text/html"}) as store,
        pytest.raises(StoreRefusedError, match="check bucket, region and endpoint"),
    ):
        list(store.list(""))


def test_a_web_console_is_refused_although_it_accepts_everything() -> None:
    with (
        served(200, b"<html></html>", {"Content-Type": "text/html"}) as store,
        pytest.raises(StoreRefusedError, match="the web console of a store"),
    ):
        store.probe()


PAGE = b"<!DOCTYPE html>\n<meta charset=utf-8><title>Console</title><p>Log in<br>here"
"""A page that is no XML, which botocore takes for a part of an answer and tries again."""


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/html; charset=utf-8"}, {}], ids=["html", "no type"]
)
def test_a_page_that_is_no_xml_is_refused_at_once(headers: dict[str, str]) -> None:
    with served(200, PAGE, headers) as store:
        for call in (lambda: list(store.list("")), store.probe):
            with pytest.raises(StoreRefusedError, match="the web console of a store"):
                call()


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, PAGE), (500, PAGE), (200, b"<?xml version='1.0'?><ListBucketResult><Name>a</Na")],
    ids=["a gateway without a store", "a gateway in trouble", "a part of an answer"],
)
def test_an_answer_that_may_be_another_one_later_is_tried_again(status: int, body: bytes) -> None:
    with (
        served(status, body, {"Content-Type": "text/html"}) as store,
        pytest.raises(StoreUnreachableError, match="for 0 s"),
    ):
        list(store.list(""))


def test_an_object_may_be_a_page() -> None:
    with served(200, PAGE, {"Content-Type": "text/html"}) as store:
        assert store.get("runs/report.html") == PAGE
