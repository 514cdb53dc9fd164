"""What stands beside the stages: documents for people, and who uses what.

    <namespace>/runs/<run>/<file>         pointers, log tails, reports; overwritten freely
    <namespace>/refs/<key>/<run uid>      this run uses that stage; what garbage
                                          collection goes by

Nothing that decides an output is ever read from here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from isheep.contract.order import RunRef
from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError
from isheep.store.manifest import encode

STAGES_FILE = "stages.json"
"""The keys of the stages that the newest report is about, by their ids."""


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
        place = f"{self._run.namespace}/refs/{key}/{self._run.uid}"
        self._store.put(place, encode(self._run), if_absent=True)

    def write_stages(self, keys: Mapping[str, str]) -> None:
        """Leave the keys of a run's stages, by id, for whoever has the store and not the run."""
        self.write(STAGES_FILE, json.dumps(dict(keys), indent=1).encode() + b"\n")

    def read_stages(self) -> dict[str, str] | None:
        """Return what `write_stages` left, None where nothing was."""
        content = self.read(STAGES_FILE)
        if content is None:
            return None
        try:
            return {str(stage): str(key) for stage, key in json.loads(content).items()}
        except (ValueError, AttributeError) as error:
            where = f"{self._store.uri}/{self._at(STAGES_FILE)}"
            raise StoreCorruptError(
                f"{where} is damaged: delete it; the next report writes it"
            ) from error

    def _at(self, file: str) -> str:
        return f"{self._run.namespace}/runs/{self._run.name}/{file}"
