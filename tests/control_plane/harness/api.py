"""The tests' client of the API server: a member of system:masters, one request at a time."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
ETCD_SECONDS = 1200.0
"""The longest time of a request to etcd; a compaction reads the whole database."""


@dataclass(frozen=True)
class Answer:
    """A response of the API server."""

    status: int
    body: Any

    @property
    def message(self) -> str:
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else str(self.body)


@dataclass(frozen=True)
class ApiServer:
    """A running API server. Threads may share it; each thread has its own connection."""

    port: int
    token: str
    certificate: Path
    etcd_port: int = 0
    _threads: threading.local = field(default_factory=threading.local, compare=False, repr=False)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.certificate))
        # The server generates its certificate for a name that is not the loopback address.
        context.check_hostname = False
        return context

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        token: str | None = None,
    ) -> Answer:
        """Send a request. A text is sent unchanged, any other body as JSON."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        try:
            status, text = self._send(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
            # The server has closed an idle connection. A refused connection raises again.
            status, text = self._send(method, path, body, headers)
        return Answer(status, json.loads(text) if text.startswith("{") else text)

    def get(self, path: str) -> Any:
        return self.must("GET", path)

    def must(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send a request that must succeed, and return the body of the response."""
        answer = self.request(method, path, body, **options)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.message}"
        return answer.body

    def compact(self) -> None:
        """Remove all old revisions from etcd, so that no watch can resume from one of them."""
        header = self._etcd("/v3/kv/range", {"key": "AA=="})["header"]
        self._etcd("/v3/kv/compaction", {"revision": header["revision"], "physical": True})

    def etcd_value(self, key: str) -> bytes:
        """Return the bytes that etcd has under a key of the API server."""
        encoded = base64.b64encode(key.encode()).decode()
        (found,) = self._etcd("/v3/kv/range", {"key": encoded})["kvs"]
        return base64.b64decode(found["value"])

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str]:
        connection = getattr(self._threads, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, context=self.tls(), timeout=60
            )
            self._threads.connection = connection
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except BaseException:
            self._threads.connection = None
            connection.close()
            raise

    def _etcd(self, path: str, body: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.etcd_port, timeout=ETCD_SECONDS)
        try:
            connection.request("POST", path, body=json.dumps(body))
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        assert response.status == 200, f"etcd: {path}: {text}"
        return json.loads(text)
