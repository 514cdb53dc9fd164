"""The documents of a run, and its references to stages.

    <namespace>/runs/<run>/<file>         pointers, log tails, reports; may be overwritten
    <namespace>/refs/<key>/<run uid>      the run uses the stage; garbage collection reads it

No stage reads these objects, so they cannot change an output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from isheep.contract.order import RunRef
from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError
from isheep.store.manifest import encode

STAGES_FILE = "stages.json"
"""The keys of the stages in the newest report, by their ids."""
REPORT_FILE = "report.html"
"""The newest report, which the report stage copies here."""


class RunDocuments:
    """The documents and references of one run."""

    def __init__(self, store: ObjectStore, run: RunRef) -> None:
        self._store = store
        self._run = run

    def write(self, file: str, content: bytes | Path) -> None:
        """Store a document, or the content of a file, under the run's name.

        An earlier document of this name is replaced.
        """
        self._store.put(self._at(file), content)

    def read(self, file: str) -> bytes | None:
        """Return a document, or None if it does not exist."""
        try:
            return self._store.get(self._at(file))
        except NoSuchKeyError:
            return None

    def add_ref(self, key: str) -> None:
        """Record that this run uses a stage."""
        place = f"{self._run.namespace}/refs/{key}/{self._run.uid}"
        self._store.put(place, encode(self._run), if_absent=True)

    def write_stages(self, keys: Mapping[str, str]) -> None:
        """Store the keys of a run's stages by id, for readers that have no access to the run."""
        self.write(STAGES_FILE, json.dumps(dict(keys), indent=1).encode() + b"\n")

    def read_stages(self) -> dict[str, str] | None:
        """Return the keys that `write_stages` stored, or None if there are none.

        Raises:
            StoreCorruptError: The document is damaged.
        """
        content = self.read(STAGES_FILE)
        if content is None:
            return None
        try:
            return {str(stage): str(key) for stage, key in json.loads(content).items()}
        except (ValueError, AttributeError) as error:
            raise StoreCorruptError(
                f"{self._store.uri}/{self._at(STAGES_FILE)} is damaged. Delete it; the next report "
                "writes it again"
            ) from error

    def _at(self, file: str) -> str:
        return f"{self._run.namespace}/runs/{self._run.name}/{file}"
