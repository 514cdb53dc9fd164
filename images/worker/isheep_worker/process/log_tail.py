"""The tail of the child's log: kept in memory, and uploaded to the store while the child runs.

After a kill by the kernel for memory there is no time to upload it. No result depends on the log:
if the store does not answer, the pod ends without an upload.
"""

from __future__ import annotations

import logging
import threading
from collections import deque

from isheep.contract.order import StageOrder
from isheep.store import open_store
from isheep.store.documents import RunDocuments
from isheep.store.interface import StoreError
from isheep_worker.runtime.orders import Shard

UPLOAD_SECONDS = 30.0
TAIL_BYTES = 256 * 1024
_LOG = logging.getLogger(__name__)


class LogTail:
    """The last bytes of a log, in the chunks in which they arrived."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._lock = threading.Lock()

    def append(self, chunk: bytes) -> None:
        """Add a chunk, and remove the oldest chunks beyond the limit."""
        with self._lock:
            self._chunks.append(chunk)
            self._size += len(chunk)
            while self._size - len(self._chunks[0]) >= self._limit:
                self._size -= len(self._chunks.popleft())

    def content(self) -> bytes:
        """Return the last bytes, at most as many as the limit."""
        with self._lock:
            return b"".join(self._chunks)[-self._limit :]


class Uploader(threading.Thread):
    """Uploads the log's tail to the store every 30 seconds if it has changed."""

    def __init__(self, order: StageOrder, shard: Shard, tail: LogTail) -> None:
        super().__init__(daemon=True)
        self._order = order
        self._file = log_file(order, shard)
        self._tail = tail
        self._ended = threading.Event()
        self._uploaded = b""

    def run(self) -> None:
        """Upload until `finish` is called, and then once more."""
        try:
            documents = RunDocuments(open_store(self._order.store), self._order.run)
            ended = False
            while not ended:
                ended = self._ended.wait(UPLOAD_SECONDS)
                self._upload(documents)
        except (StoreError, OSError, ValueError) as error:
            _LOG.warning("the log is not uploaded to the store: %s", error)

    def finish(self, seconds: float) -> None:
        """Request the last upload and wait for it for at most `seconds`."""
        self._ended.set()
        self.join(seconds)

    def _upload(self, documents: RunDocuments) -> None:
        content = self._tail.content()
        if content == self._uploaded:
            return
        try:
            documents.write(self._file, content)
            self._uploaded = content
        except StoreError as error:
            _LOG.warning("this upload of the log's tail failed: %s", error)


def log_file(order: StageOrder, shard: Shard) -> str:
    """Return the name of a worker's log in the documents of the run."""
    stage = order.steps[0].id.replace("/", "-")
    return f"logs/{stage}-{order.attempt}-{shard.index}.log"
