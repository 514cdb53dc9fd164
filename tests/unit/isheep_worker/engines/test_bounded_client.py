"""The limits of an endpoint's answer, against a server that exceeds each of them.

Without the limits, a test of this file would not end, or would need gigabytes.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from isheep.contract.order import JudgeEndpointRef
from isheep_worker.engines import bounded_client
from isheep_worker.engines.endpoint_client import EndpointClient
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.runtime.errors import SourceUnreachableError

from .endpoint_server import EndpointServer, Reply, chat, serving

REQUEST = Request("0/p1", (), 5, 0.5, 0.9, 17, text="Rate this.")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SMALL = 64 << 10


def asked(
    reply: Reply | Callable[[dict[str, Any], int], Reply], seconds: int = 20, retries: int = 0
) -> tuple[Completion | SourceUnreachableError, EndpointServer]:
    """Return the answer or the error, and the server with what it received."""
    answer = (lambda *_: reply) if isinstance(reply, Reply) else reply
    with serving(answer) as server:
        ref = JudgeEndpointRef(
            url=server.url,
            model="judge-1",
            max_concurrent_requests=1,
            timeout_seconds=seconds,
            max_retries=retries,
        )
        client = EndpointClient(ref, None)
        try:
            return client.complete(REQUEST), server
        except SourceUnreachableError as error:
            return error, server
        finally:
            client.close()


def endless(begin: bytes, chunk: bytes, pause: float = 0.0) -> Reply:
    """Return a response that goes on until the client closes the connection."""

    def chunks() -> Iterator[bytes]:
        yield begin
        while True:
            yield chunk
            time.sleep(pause)

    return Reply(b"", raw=chunks)


def chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def test_an_answer_without_an_end_is_cut_off_and_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded_client, "MAX_ANSWER_BYTES", SMALL)
    for begin, chunk in (
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunked(b" " * 4096)),
        (HEAD + b"\r\n", b" " * 4096),
    ):
        found, server = asked(endless(begin, chunk), retries=2)
        assert isinstance(found, SourceUnreachableError)
        assert "sends an answer of more than 16 MiB, which is not read; check that" in str(found)
        assert len(server.received) == 1


def test_a_length_above_the_limit_is_refused_before_the_body() -> None:
    length = bounded_client.MAX_ANSWER_BYTES + 1
    hold = threading.Event()

    def head() -> Iterator[bytes]:
        yield HEAD + f"Content-Length: {length}\r\n\r\n".encode()
        hold.wait(30)

    found, _ = asked(Reply(b"", raw=head))
    hold.set()
    assert "more than 16 MiB" in str(found)


def test_an_answer_of_the_largest_size_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = chat("8").body
    monkeypatch.setattr(bounded_client, "MAX_ANSWER_BYTES", len(body))
    found, _ = asked(Reply(body))
    assert isinstance(found, Completion)
    found, _ = asked(Reply(body + b" "))
    assert isinstance(found, SourceUnreachableError)


def test_a_compressed_answer_is_not_decompressed() -> None:
    bomb = gzip.compress(b" " * (8 << 20))
    assert len(bomb) < SMALL
    for body in (bomb, gzip.compress(chat("8").body)):
        found, server = asked(Reply(body, headers={"Content-Encoding": "gzip"}))
        assert isinstance(found, SourceUnreachableError)
        assert "compresses its answer, although the request does not accept this" in str(found)
        assert server.received[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "reply",
    [
        endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunked(b" "), 0.2),
        endless(HEAD, b"X: y\r\n", 0.2),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.2),
    ],
    ids=["body", "headers", "informational"],
)
def test_a_slow_drip_ends_after_the_time_limit(reply: Reply) -> None:
    found, server = asked(reply, seconds=1)
    assert isinstance(found, SourceUnreachableError)
    assert "gave no answer within 1 s in 1 attempt;" in str(found)
    assert len(server.received) == 1


def test_headers_without_an_end_are_an_error() -> None:
    found, _ = asked(endless(HEAD, b"X-Header: " + b"y" * 4096 + b"\r\n"))
    assert isinstance(found, SourceUnreachableError)
    assert "cannot be reached in 1 attempt;" in str(found)


def test_a_large_refusal_is_read_as_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_client, "MAX_ANSWER_BYTES", SMALL)
    found, server = asked(
        lambda _, number: (
            chat("8") if number == 2 else Reply(b" " * (SMALL + 1), 503, {"retry-after-ms": "1"})
        ),
        retries=1,
    )
    assert isinstance(found, Completion)
    assert len(server.received) == 2


def test_the_names_of_the_server_are_kept_in_plain_characters() -> None:
    document = json.loads(chat("8").body)
    names = {"model": "gpt x\n" + "y" * 99, "system_fingerprint": 'fp_"1"'}
    found, _ = asked(Reply(json.dumps({**document, **names}).encode()))
    assert isinstance(found, Completion)
    day, model, fingerprint = found.served_by.split(" ")
    assert len(day) == len("2026-05-01")
    assert (model, fingerprint) == ("gpt?x?" + "y" * 34, "fp_?1?")
    for odd in (None, 7, ["x"], {}):
        found, _ = asked(Reply(json.dumps({**document, "model": odd}).encode()))
        assert isinstance(found, Completion)
        assert found.served_by.split(" ")[1:] == ["-", "-"]
