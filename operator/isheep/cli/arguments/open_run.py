"""The run that a command reads: in a store, or on a cluster with its data in a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from isheep.api.reading.set_values import set_words
from isheep.api.run import GROUP, KIND, VERSION, SelfAlignmentRun
from isheep.cli.terminal.command_line import command_line
from isheep.cli.terminal.errors import BadInputError
from isheep.contract.order import RunRef
from isheep.local.results import committed_keys
from isheep.local.stored_run import StoredRun
from isheep.planner.types import RunView
from isheep.store.documents import REPORT_FILE, RunDocuments, folder_of_run
from isheep.store.interface import ObjectStore


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run with its open store.

    `words` are the arguments that name the run in a command line. `remedy` says what to do if the
    store does not have the run. `on_cluster` is the run as the cluster has it, if it is there.
    """

    words: tuple[str, ...]
    store: ObjectStore
    stored: StoredRun
    remedy: str
    on_cluster: RunView | None = None

    @property
    def ref(self) -> RunRef:
        """The namespace, the name and the uid of the run."""
        return self.stored.ref

    @property
    def run(self) -> SelfAlignmentRun:
        """The run; raises `BadInputError` if the store does not have it."""
        view = self.submitted()
        return SelfAlignmentRun.read_stored(
            {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "metadata": {"name": view.name, "namespace": view.namespace},
                "spec": dict(view.spec),
            }
        )

    @property
    def resumption(self) -> str:
        """The command line that resumes the run on this machine."""
        return command_line("run", "FILE", "--store", self.store.uri, *self.set_words)

    @property
    def set_words(self) -> tuple[str, ...]:
        """The arguments that repeat the `--set` values with which the run was last started."""
        return set_words(self.stored.set_values())

    def committed(self) -> dict[str, str]:
        """Return the keys of the run's committed stages by their ids.

        The store of a run in a cluster has only the keys that the newest report covers.
        """
        view = self.find()
        if view is not None:
            return committed_keys(view.status)
        found = RunDocuments(self.store, self.ref).read_stages()
        return self._missing() if found is None else found

    def find(self) -> RunView | None:
        """Return the run of the cluster, or as `isheep run` last read it; None if it is unknown."""
        return self.on_cluster or self.stored.read()

    def submitted(self) -> RunView:
        """Return the run as `find` does; raises `BadInputError` if there is none."""
        view = self.find()
        return self._missing() if view is None else view

    def report_uri(self) -> str | None:
        """Return the location of the newest report, or None before the first one.

        The report stage copies each report to the same place, so this location stays valid.
        """
        if self.store.head(folder_of_run(self.ref) + REPORT_FILE) is None:
            return None
        return f"{self.stored.uri}/{REPORT_FILE}"

    def _missing(self) -> NoReturn:
        raise BadInputError(
            f"{self.store.uri} has no run {self.ref.name} (namespace {self.ref.namespace}): "
            f"{self.remedy}"
        )
