"""The documents of a run, and its references to stages.

    <namespace>/runs/<run>/<file>         pointers, log tails, reports; may be overwritten
    <namespace>/refs/<key>/<run uid>      the run uses the stage; garbage collection reads it

No stage reads these objects, so they cannot change an output.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from isheep.contract.order import RunRef
from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError
from isheep.store.manifest import encode

STAGES_FILE = "stages.json"
"""The keys of the stages in the newest report, by their ids."""
REPORT_FILE = "report.html"
"""The newest report, which the report stage copies here."""


def folder_of_runs(namespace: str) -> str:
    """Return the prefix of the documents of all runs of a namespace."""
    return f"{namespace}/runs/"


def folder_of_run(run: RunRef) -> str:
    """Return the prefix of the documents of a run."""
    return f"{folder_of_runs(run.namespace)}{run.name}/"


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference of a run to a stage: its place in the store, the stage's key, and the run."""

    place: str
    key: str
    run: RunRef


def references(store: ObjectStore, namespace: str, key: str | None = None) -> Iterator[Reference]:
    """Yield the references of a namespace, to all stages or to the stage with a key.

    Raises:
        StoreCorruptError: A reference is damaged.
    """
    runs: dict[str, RunRef] = {}
    folder = f"{namespace}/refs/"
    for info in store.list(folder if key is None else f"{folder}{key}/"):
        of_stage, separator, uid = info.key.removeprefix(folder).partition("/")
        if not separator or "/" in uid:
            raise _damaged_reference(store, info.key)
        if uid not in runs:
            runs[uid] = _run_of(store, info.key)
        yield Reference(info.key, of_stage, runs[uid])


def _run_of(store: ObjectStore, place: str) -> RunRef:
    """Return the run in a reference; its uid is that in the name of the reference."""
    try:
        run = RunRef.model_validate_json(store.get(place))
    except ValidationError as error:
        raise _damaged_reference(store, place) from error
    return run.model_copy(update={"uid": place.rpartition("/")[2]})


def _damaged_reference(store: ObjectStore, place: str) -> StoreCorruptError:
    return StoreCorruptError(
        f"{store.uri}/{place} is damaged. Delete it; the run that uses the stage writes it again "
        "when it resumes"
    )


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
            return _text_by_text(json.loads(content))
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreCorruptError(
                f"{self._store.uri}/{self._at(STAGES_FILE)} is damaged. Delete it; the next report "
                "writes it again"
            ) from error

    def _at(self, file: str) -> str:
        return folder_of_run(self._run) + file


def _text_by_text(document: Any) -> dict[str, str]:
    """Return a JSON object whose values are texts; raises `TypeError` or `AttributeError`."""
    for key in document.values():
        if not isinstance(key, str):
            raise TypeError(f"{key!r} is not a text")
    return dict(document)
