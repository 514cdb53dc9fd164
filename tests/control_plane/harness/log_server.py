"""The part of a kubelet that serves the logs of containers to the API server.

The nodes of the tests have no address until a `LogServer` gives them its own, so only the tests of
logs depend on it. The API server does not check the certificate of a kubelet here.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from .api import MERGE_PATCH
from .cluster import NODES, Cluster


@contextmanager
def serve_logs(cluster: Cluster, logs: dict[str, list[str]]) -> Iterator[None]:
    """Serve the lines of each pod's worker container by the pod's name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            _, _, _, pod, container = url.path.split("/")
            lines = logs.get(pod, ()) if container == "worker" else ()
            tail = int(parse_qs(url.query)["tailLines"][0])
            body = "".join(f"{line}\n" for line in lines[-tail:]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    certificates = cluster.servers.folder / "certificates"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_address[1]}},
        }
        for node in NODES:
            path = f"/api/v1/nodes/{node}/status"
            cluster.server.must("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
        try:
            yield
        finally:
            server.shutdown()
