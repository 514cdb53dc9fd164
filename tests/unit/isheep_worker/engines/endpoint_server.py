"""A local HTTP server with the API of OpenAI, which answers as a test says, faults included."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One answer of the server; `hold` keeps the connection open without an answer until it is set.

    `drop` closes the connection without an answer. `raw` yields the bytes of the whole response, in
    place of everything else, until the client is gone.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    drop: bool = False
    raw: Callable[[], Iterator[bytes]] | None = None


@dataclass
class Received:
    """A request that the server received; the names of its headers are in lower case."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


def chat(text: str | None, reason: str = "stop", **usage: int) -> Reply:
    """Return the answer of a model, with the tokens in `usage`."""
    document = {
        "id": "x",
        "object": "chat.completion",
        "model": "judge-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": reason,
            }
        ],
        "usage": usage or None,
    }
    return Reply(json.dumps(document).encode())


def refusal(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    """Return an error in the form of the API."""
    error = {"error": {"message": message, "code": code, "type": "error", "param": None}}
    return Reply(json.dumps(error).encode(), status, headers)


class EndpointServer:
    """What the server received, and its URL."""

    def __init__(self, reply: Callable[[dict[str, Any], int], Reply]) -> None:
        """`reply` returns the answer to a body; it also gets the number of the request."""
        self.received: list[Received] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with outer._lock:
                    outer.received.append(Received(self.path, body, headers))
                    number = len(outer.received)
                    outer._at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer._at_once)
                answer = reply(body, number)
                if answer.hold is not None:
                    answer.hold.wait(30)
                with outer._lock:
                    outer._at_once -= 1
                if answer.raw is not None:
                    self.close_connection = True
                    with suppress(OSError):
                        for chunk in answer.raw():
                            self.wfile.write(chunk)
                    return
                if answer.drop or answer.hold is not None:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@contextmanager
def serving(reply: Callable[[dict[str, Any], int], Reply]) -> Iterator[EndpointServer]:
    """Run a server until the end of the block."""
    server = EndpointServer(reply)
    thread = threading.Thread(target=server.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        server.server.server_close()
        thread.join()
