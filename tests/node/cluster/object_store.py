"""A real S3 for pods: SeaweedFS, from its PyPI package, on the bridge's address.

The object store is part of the cluster: `down` stops it and removes its data.
"""

from __future__ import annotations

import json
import socket
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path

from cluster import processes, settings
from cluster.commands import ClusterError

NAME = "seaweedfs"
ACCESS_KEY = "ISHEEPTESTACCESSKEY"
SECRET_KEY = "isheep-test-secret-key-0123456789"
REGION = "us-east-1"
START_SECONDS = 90


def start() -> str:
    """Start the object store without buckets, and return its endpoint.

    Raises:
        ClusterError: The object store of `make cluster` is running, or the start fails.
    """
    if processes.is_running(NAME):
        raise ClusterError(
            "the cluster's object store is running already, with the example of `make cluster`: "
            "stop that cluster first with `make cluster-down`"
        )
    folder = settings.state() / NAME
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    config = folder / "s3.json"
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    identity = {"name": "tests", "credentials": credentials, "actions": ["Admin"]}
    config.write_text(json.dumps({"identities": [identity]}))
    names = ("master", "volume", "filer", "s3")
    ports = {f"{name}.port{kind}": _free_port() for name in names for kind in ("", ".grpc")}
    address = settings.NODE_ADDRESS
    processes.start(
        NAME,
        [
            Path(sysconfig.get_path("scripts")) / "weed",
            "server",
            f"-dir={data}",
            f"-ip={address}",
            f"-ip.bind={address}",
            "-s3",
            *(f"-{name}={port}" for name, port in ports.items()),
            f"-s3.config={config}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-filer.localSocket={folder}/filer.sock",
            f"-s3.localSocket={folder}/s3.sock",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=1024",
            "-volume.max=16",
        ],
    )
    endpoint = f"http://{address}:{ports['s3.port']}"
    processes.wait_for("SeaweedFS", [NAME], lambda: _responds(endpoint), START_SECONDS)
    return endpoint


def _responds(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(endpoint, timeout=1).close()
    except urllib.error.HTTPError:
        return True  # the server rejects an anonymous request
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((settings.NODE_ADDRESS, 0))
        return int(listener.getsockname()[1])
