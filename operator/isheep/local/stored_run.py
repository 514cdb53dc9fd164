"""The stored object and status of a run that has no API server.

`<namespace>/runs/<name>/run.json` is the object as `isheep run` last received it, with the fields
that an API server adds (uid, generation, creation time). `status.json` in the same folder is its
status. Only the driver that holds the run's lock writes them. The object does not contain
the store, because the documents are in it. `set` has the fields of the spec that `--set` has
changed, with their values, because the run's file does not contain these values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from isheep.api.run import GROUP, RETRY_ANNOTATION, VERSION
from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.order import RunRef
from isheep.local.paths import run_uid
from isheep.planner.restart import can_be_retried
from isheep.planner.types import RunView
from isheep.store.documents import RunDocuments, folder_of_run, folder_of_runs
from isheep.store.interface import ObjectStore, StoreCorruptError

RUN_FILE = "run.json"
STATUS_FILE = "status.json"
_SET = "set"


def run_names(store: ObjectStore, namespace: str) -> list[str]:
    """Return the names of the runs of `isheep run` in a namespace, sorted."""
    prefix = folder_of_runs(namespace)
    found = (info.key.removeprefix(prefix).partition("/") for info in store.list(prefix))
    return sorted(name for name, _, document in found if document == RUN_FILE)


class StoredRun:
    """The documents of one run in one store."""

    def __init__(self, store: ObjectStore, namespace: str, name: str) -> None:
        self.ref = RunRef(namespace=namespace, name=name, uid=run_uid(store.uri, namespace, name))
        self.uri = f"{store.uri}/{folder_of_run(self.ref)}".removesuffix("/")
        self._documents = RunDocuments(store, self.ref)

    def read(self) -> RunView | None:
        """Return the run as it was last submitted, with its status; None for a new run.

        Raises:
            StoreCorruptError: A document is damaged.
        """
        document = self._read(RUN_FILE)
        if document is None:
            return None
        try:
            return RunView(
                namespace=self.ref.namespace,
                name=self.ref.name,
                uid=self.ref.uid,
                generation=int(document["generation"]),
                created=datetime.fromisoformat(document["created"]),
                spec=document["spec"],
                status=self._status(),
                annotations=document["annotations"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(RUN_FILE) from error

    def set_values(self) -> dict[str, Any]:
        """Return the values of `--set` with which the run was last submitted, by field.

        Raises:
            StoreCorruptError: The document is damaged.
        """
        document = self._read(RUN_FILE)
        values = {} if document is None else document.get(_SET, {})
        if not isinstance(values, dict):
            raise self._damaged(RUN_FILE)
        return values

    def preview(
        self, spec: Mapping[str, Any], annotations: Mapping[str, str], now: datetime
    ) -> RunView:
        """Return the run with the given spec; a changed spec has a new generation."""
        view = RunView(
            namespace=self.ref.namespace,
            name=self.ref.name,
            uid=self.ref.uid,
            generation=1,
            created=now,
            spec=dict(spec),
            status=SelfAlignmentRunStatus(),
            annotations=dict(annotations),
        )
        before = self.read()
        if before is None:
            return view
        return replace(
            view,
            generation=before.generation + (before.spec != view.spec),
            created=before.created,
            status=before.status,
        )

    def submit(
        self,
        spec: Mapping[str, Any],
        annotations: Mapping[str, str],
        now: datetime,
        set_values: Mapping[str, Any] | None = None,
    ) -> RunView:
        """Store the run with the given spec, and return it.

        `set_values` are the fields of the spec that `--set` has changed, with their values.

        The submission of a run that can be retried requests a retry, as a new value of the retry
        annotation does in a cluster.
        """
        view = self.preview(spec, annotations, now)
        if can_be_retried(view.status):
            retry = {RETRY_ANNOTATION: f"isheep run, {now.isoformat()}"}
            view = replace(view, annotations={**view.annotations, **retry})
        self._write(RUN_FILE, _document(view, set_values or {}))
        return view

    def restore(self, view: RunView, set_values: Mapping[str, Any]) -> None:
        """Replace the run and its status by what `read` and `set_values` returned before."""
        self._write(RUN_FILE, _document(view, set_values))
        self.write_status(view.status)

    def write_status(self, status: SelfAlignmentRunStatus) -> None:
        """Replace the status."""
        self._write(STATUS_FILE, status.document())

    def _status(self) -> SelfAlignmentRunStatus:
        document = self._read(STATUS_FILE)
        try:
            return SelfAlignmentRunStatus.read_stored({} if document is None else document)
        except ValueError as error:
            raise self._damaged(STATUS_FILE) from error

    def _read(self, file: str) -> Any:
        content = self._documents.read(file)
        if content is None:
            return None
        try:
            document = json.loads(content)
        except ValueError as error:
            raise self._damaged(file) from error
        if not isinstance(document, dict):
            raise self._damaged(file)
        return document

    def _write(self, file: str, document: Mapping[str, Any]) -> None:
        text = json.dumps(document, indent=1, ensure_ascii=False)
        self._documents.write(file, text.encode() + b"\n")

    def _damaged(self, file: str) -> StoreCorruptError:
        return StoreCorruptError(
            f"{self.uri}/{file} is damaged. Delete it and run again; no data depends on it"
        )


def _document(view: RunView, set_values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "uid": view.uid,
        "generation": view.generation,
        "created": view.created.isoformat(),
        "annotations": dict(view.annotations),
        "spec": dict(view.spec),
        **({_SET: dict(set_values)} if set_values else {}),
    }
