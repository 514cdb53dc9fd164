"""The run of a file that a command works on, with the store of its documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isheep.api.reading.loader import LoadedRun
from isheep.api.reading.set_values import SetValue, recorded_values
from isheep.api.run import SelfAlignmentRun
from isheep.api.storage import Storage
from isheep.cli.arguments.open_run import OpenRun
from isheep.cli.arguments.run_argument import load_file
from isheep.cli.arguments.suggestions import DEFAULT_STORE
from isheep.cli.terminal.command_line import command_line
from isheep.cli.terminal.errors import BadInputError
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec, parse_store_uri
from isheep.local.stored_run import StoredRun
from isheep.store import open_store


@dataclass(frozen=True, slots=True)
class Target(OpenRun):
    """A run of a file with its open store."""

    file: Path = field(kw_only=True)
    loaded: LoadedRun = field(kw_only=True)
    store_spec: StoreSpec = field(kw_only=True)

    @property
    def run(self) -> SelfAlignmentRun:
        """The run of the file."""
        return self.loaded.run

    @property
    def resumption(self) -> str:
        """The command line that resumes the run on this machine."""
        return command_line("run", self.file, *self.set_words)

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of the file, with the set values and without `storage`.

        The location of the data is not part of a run: a run keeps its identity in another store.
        """
        return {k: v for k, v in self.loaded.document["spec"].items() if k != "storage"}

    @property
    def set_values(self) -> dict[str, Any]:
        """The values of `--set`, by field, as they are stored with the run."""
        return recorded_values(self.loaded.document, self.loaded.set_values)


def target(file: Path, store: str | None, set_values: Sequence[SetValue] = ()) -> Target:
    """Load the file of a run with the set values, and open its store.

    Raises `SpecError` if the file cannot be used, `BadInputError` if the option cannot, and
    `StoreError` if the store cannot be opened.
    """
    loaded = load_file(str(file), set_values)
    spec = store_of(loaded.run.spec.storage, store)
    opened = open_store(spec)
    metadata = loaded.run.metadata
    stored = StoredRun(opened, metadata.namespace, metadata.name)
    remedy = (
        f"start it with `{command_line('run', file)}`, or name its store with --store; a run in a "
        "cluster is here after its first report, and before that in the output of "
        f"`kubectl get sheep {metadata.name}`"
    )
    return Target((str(file),), opened, stored, remedy, file=file, loaded=loaded, store_spec=spec)


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
