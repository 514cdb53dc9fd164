"""The pod's HTTP server: `GET /progress` and `GET /metrics`.

The server runs in the supervisor, which responds even while the child is inside a C++ call. It
must never end the child or slow it down. Therefore it serves two pages from memory to at most 8
clients at a time, has a timeout of 5 seconds, and does not log the errors of clients.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from isheep_worker.process.metrics import CONTENT_TYPE, Metrics
from isheep_worker.process.progress_board import ProgressBoard

_TIMEOUT_SECONDS = 5.0
_MAX_CLIENTS = 8

Page = Callable[[], tuple[str, bytes]]


def serve_progress(board: ProgressBoard, port: int) -> int:
    """Serve the board in the background, and return the port; 0 takes any free port.

    Raises `OSError` if the port cannot be opened.
    """
    metrics = Metrics(board)
    pages: Mapping[str, Page] = {
        "/progress": lambda: (
            "application/json",
            json.dumps(board.document(), ensure_ascii=False).encode(),
        ),
        "/metrics": lambda: (CONTENT_TYPE, metrics.text()),
    }
    server = _Server(port, pages)
    threading.Thread(target=server.serve_forever, name="progress-server", daemon=True).start()
    bound: int = server.server_address[1]
    return bound


class _Server(ThreadingHTTPServer):
    allow_reuse_port = False

    def __init__(self, port: int, pages: Mapping[str, Page]) -> None:
        self.pages = pages
        self._slots = threading.BoundedSemaphore(_MAX_CLIENTS)
        # The address of a pod may be of either family, and on a node without IPv6 of one only.
        self._both = socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if self._both else socket.AF_INET
        super().__init__(("::" if self._both else "0.0.0.0", port), _Handler)  # noqa: S104 (all)

    def server_bind(self) -> None:
        if self._both:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # HTTPServer.server_bind would wait for a lookup of this machine's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            # No thread was started, so no thread will release the semaphore.
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a client that disconnects is not an error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _TIMEOUT_SECONDS
    server_version = "isheep-worker"
    sys_version = ""

    def do_GET(self) -> None:
        page = self.server.pages.get(urlsplit(self.path).path)
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content_type, content = page()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the log is for the child."""
