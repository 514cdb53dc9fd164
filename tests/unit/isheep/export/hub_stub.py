"""A hub on this machine: the endpoints that huggingface_hub calls to upload a folder, in memory.

Small files come inside a commit, large ones by the LFS protocol. Like the real hub, it reports the
digests of the files that it has, so the client can skip them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_secret"
LARGE = 10_000


class Hub:
    """The state: repositories with their files, and the requests so far."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, Any]] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.fail_with: int | None = None
        self.url = ""

    def files(self, repository: str) -> dict[str, bytes]:
        return self.repositories[repository]["files"]

    def commits(self, repository: str) -> int:
        return self.repositories[repository]["commits"]


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        body = self._body()
        path = self.path.partition("?")[0]
        self.state.requests.append(f"{method} {path}")
        if self.state.fail_with is not None:
            self._send(self.state.fail_with, {"error": "the stub was told to fail"})
        elif method == "PUT":
            self.state.objects[path.rsplit("/", 1)[-1]] = body
            self._send(200, {})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"error": "Invalid username or password."})
        else:
            self._send(*self._api(path, body))

    def _api(self, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if match := re.fullmatch(
            r"/(?:datasets/)?([\w-]+/[\w-]+)\.git/info/lfs/objects/batch", path
        ):
            return 200, {"objects": [self._upload(one) for one in json.loads(body)["objects"]]}
        match = re.fullmatch(r"/api/(?:datasets|models)/([\w-]+/[\w-]+)(?:/(\w+)(?:/.*)?)?", path)
        if match is None or match[1] not in self.state.repositories:
            return 404, {"error": "Repository not found"}
        name, action = match.groups()
        if action == "preupload":
            return 200, {"files": [self._mode(name, one) for one in json.loads(body)["files"]]}
        if action == "commit":
            return self._commit(name, body)
        found = self.state.repositories[name]
        return 200, {"id": name, "sha": f"c{found['commits']}", "private": found["private"]}

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        name = f"{wanted['organization']}/{wanted['name']}"
        if name in self.state.repositories:
            return 409, {
                "error": "You already created this repo",
                "url": f"{self.state.url}/{name}",
            }
        if wanted["organization"] == "theirs":
            return 403, {"error": "You have no write access to theirs"}
        private = bool(wanted.get("private") or wanted.get("visibility") == "private")
        self.state.repositories[name] = {
            "files": {},
            "commits": 0,
            "private": private,
            "type": wanted.get("type", "model"),
        }
        return 200, {"url": f"{self.state.url}/{name}", "id": name}

    def _mode(self, name: str, file: dict[str, Any]) -> dict[str, Any]:
        stored = self.state.files(name).get(file["path"])
        large = file["size"] > LARGE
        mode = {"path": file["path"], "uploadMode": "lfs" if large else "regular"}
        if stored is not None:
            blob = hashlib.sha1(b"blob %d\0%b" % (len(stored), stored)).hexdigest()
            mode["oid"] = hashlib.sha256(stored).hexdigest() if large else blob
        return {**mode, "shouldIgnore": False}

    def _upload(self, wanted: dict[str, Any]) -> dict[str, Any]:
        entry = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] not in self.state.objects:
            entry["actions"] = {"upload": {"href": f"{self.state.url}/lfs/{wanted['oid']}"}}
        return entry

    def _commit(self, name: str, body: bytes) -> tuple[int, Any]:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.state.files(name)[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.state.files(name)[value["path"]] = self.state.objects[value["oid"]]
        found = self.state.repositories[name]
        found["commits"] += 1
        url = f"{self.state.url}/{name}/commit/c{found['commits']}"
        return 200, {"commitUrl": url, "commitOid": f"c{found['commits']}"}

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status >= 400:
            self.send_header("X-Error-Message", document["error"])
        self.end_headers()
        self.wfile.write(content)
