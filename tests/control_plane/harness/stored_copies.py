"""Copies of an object in etcd, for measurements with thousands of objects.

The API server has validated and stored the first one. A copy differs in its name and its UID only,
which have the same lengths as before. Write copies while no API server runs: a running one would
spend its time on reading them.
"""

from __future__ import annotations

import base64
import http.client
import json
import uuid
from collections.abc import Iterable

from .api import ETCD_SECONDS, ApiServer


def write_copies(server: ApiServer, key: str, names: Iterable[str]) -> None:
    """Write copies of the object under a key of etcd; `key` ends with the object's name."""
    value = server.etcd_value(key)
    folder, _, name = key.rpartition("/")
    uid = json.loads(value)["metadata"]["uid"]
    connection = http.client.HTTPConnection("127.0.0.1", server.etcd_port, timeout=ETCD_SECONDS)
    try:
        for other in names:
            assert len(other) == len(name), f"{other} is not as long as {name}"
            copy = value.replace(name.encode(), other.encode())
            copy = copy.replace(uid.encode(), str(uuid.uuid4()).encode())
            _put(connection, f"{folder}/{other}", copy)
    finally:
        connection.close()


def _put(connection: http.client.HTTPConnection, key: str, value: bytes) -> None:
    body = {"key": _encoded(key.encode()), "value": _encoded(value)}
    connection.request("POST", "/v3/kv/put", body=json.dumps(body))
    response = connection.getresponse()
    text = response.read().decode()
    assert response.status == 200, f"etcd: {text}"


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
