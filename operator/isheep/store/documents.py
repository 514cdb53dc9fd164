"""What stands beside the stages: documents for people, and who uses what.

    <namespace>/runs/<run>/<file>         pointers, log tails, reports; overwritten freely
    <namespace>/refs/<key>/<run uid>      this run uses that stage; what garbage
                                          collection goes by

Nothing that decides an output is ever read from here.
"""

from __future__ import annotations

from isheep.api.order import RunRef
from isheep.store.interface import NoSuchKeyError, ObjectStore
from isheep.store.manifest import encode


class RunDocuments:
    """The documents and references of one run."""

    def __init__(self, store: ObjectStore, run: RunRef) -> None:
        self._store = store
        self._run = run

    def write(self, file: str, content: bytes) -> None:
        """Store a document under the run's name, replacing an earlier one."""
        self._store.put(self._at(file), content)

    def read(self, file: str) -> bytes | None:
        """Return a document, or None where there is none."""
        try:
            return self._store.get(self._at(file))
        except NoSuchKeyError:
            return None

    def add_ref(self, key: str) -> None:
        """Record that this run uses a stage."""
        self._store.put(f"{self._run.namespace}/refs/{key}/{self._run.uid}", encode(self._run))

    def _at(self, file: str) -> str:
        return f"{self._run.namespace}/runs/{self._run.name}/{file}"
