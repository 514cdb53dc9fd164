"""The run that a command works on: its file, and the store with its documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from isheep.api.loader import LoadedRun, load_run
from isheep.api.run import SelfAlignmentRun
from isheep.api.storage import Storage
from isheep.cli.command_line import command_line
from isheep.cli.errors import BadInputError
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec, parse_store_uri
from isheep.local.results import committed_keys
from isheep.local.stored_run import StoredRun
from isheep.planner.types import RunView
from isheep.store import open_store
from isheep.store.documents import REPORT_FILE, RunDocuments
from isheep.store.interface import ObjectStore

DEFAULT_STORE = "isheep-store"


@dataclass(frozen=True, slots=True)
class Target:
    """A run with its open store."""

    file: Path
    loaded: LoadedRun
    store_spec: StoreSpec
    store: ObjectStore
    stored: StoredRun

    @property
    def run(self) -> SelfAlignmentRun:
        """The run of the file."""
        return self.loaded.run

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of the file without `storage`.

        The location of the data is not part of a run: a run keeps its identity in another store.
        """
        return {k: v for k, v in self.loaded.document["spec"].items() if k != "storage"}

    def committed(self) -> dict[str, str]:
        """Return the keys of the run's committed stages by their ids.

        The store of a run in a cluster has only the keys that the newest report covers.
        """
        view = self.stored.read()
        if view is not None:
            return committed_keys(view.status)
        found = RunDocuments(self.store, self.stored.ref).read_stages()
        return self._missing() if found is None else found

    def submitted(self) -> RunView:
        """Return the run as `isheep run` last read it; raises `BadInputError` if there is none."""
        view = self.stored.read()
        return self._missing() if view is None else view

    def report_uri(self) -> str | None:
        """Return the location of the newest report, or None before the first one.

        The report stage copies each report to the same place, so this location stays valid.
        """
        metadata = self.run.metadata
        if self.store.head(f"{metadata.namespace}/runs/{metadata.name}/{REPORT_FILE}") is None:
            return None
        return f"{self.stored.uri}/{REPORT_FILE}"

    def _missing(self) -> NoReturn:
        metadata = self.run.metadata
        raise BadInputError(
            f"{self.store.uri} has no run {metadata.name} (namespace {metadata.namespace}): start "
            f"it with `{command_line('run', self.file)}`, or name its store with --store; a run in "
            "a cluster is here after its first report, and before that in the output of "
            f"`kubectl get sheep {metadata.name}`"
        )


def target(file: Path, store: str | None) -> Target:
    """Load the file of a run and open its store.

    Raises `SpecError` if the file cannot be used, `BadInputError` if the option cannot, and
    `StoreError` if the store cannot be opened.
    """
    loaded = load_run(file)
    spec = store_of(loaded.run.spec.storage, store)
    opened = open_store(spec)
    metadata = loaded.run.metadata
    stored = StoredRun(opened, metadata.namespace, metadata.name)
    return Target(file, loaded, spec, opened, stored)


def store_of(storage: Storage | None, option: str | None) -> StoreSpec:
    """Return the store of the option, of the spec, or a folder in the working directory.

    Raises `BadInputError` if the option is not the URI of a store.
    """
    if option is not None:
        try:
            return parse_store_uri(option)
        except ValueError as error:
            raise BadInputError(f"--store: {error}") from None
    if storage is not None and storage.s3 is not None:
        return storage.s3.store_spec()
    folder = storage.folder.path if storage is not None and storage.folder else DEFAULT_STORE
    return StoreSpec(folder=FolderStoreSpec(path=str(Path(folder).expanduser().absolute())))
