"""The runs that `isheep compare` compares, read from their stores or from a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from isheep.api.status import IterationRecord
from isheep.cli.arguments.open_run import OpenRun
from isheep.cli.arguments.opening import open_run
from isheep.cli.arguments.target import Target
from isheep.cli.comparison.comparison import differences, figures, pinned_values, resolved_spec
from isheep.cli.comparison.run_funnels import Funnels, funnels
from isheep.cli.terminal.errors import BadInputError
from isheep.contract.invalid_fields import invalid_fields
from isheep.local.lock import executing_process
from isheep.local.results import committed_keys
from isheep.local.shown_status import shown_phase
from isheep.planner.types import RunView
from isheep.store.artifacts import ArtifactStore
from isheep.store.documents import RunDocuments


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run as it is compared.

    `title` names it in the head of a column, and `location` is its store and its namespace. `spec`
    has all defaults. `history` and `funnels` are by iteration. `remarks` are about what is missing
    or unexpected.
    """

    title: str
    location: str
    phase: str
    view: RunView
    store: str
    spec: dict[str, Any]
    pinned: dict[str, Any]
    history: Mapping[int, IterationRecord]
    found: Funnels
    remarks: tuple[str, ...]

    @property
    def funnels(self) -> Mapping[int, object]:
        """The funnels by their iterations."""
        return self.found.lines

    def funnel(self, t: int) -> list[tuple[str, str, int]] | None:
        """Return the label, kind and count of each line of a funnel, or None if there is none."""
        lines = self.found.lines.get(t)
        return None if lines is None else [(line.label, line.kind, line.count) for line in lines]

    @property
    def finished(self) -> int:
        """The number of finished iterations; the measurement of M(0) is none."""
        return sum(t > 0 for t in self.history)

    def document(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        return {
            "name": self.view.name,
            "namespace": self.view.namespace,
            "store": self.store,
            "phase": self.phase,
            "iterations": [self._iteration(t) for t in sorted({*self.found.lines, *self.history})],
        }

    def _iteration(self, t: int) -> dict[str, Any]:
        lines, record = self.funnel(t), self.history.get(t)
        return {
            "iteration": t,
            "funnel": None
            if lines is None
            else [{"label": label, "kind": kind, "count": n} for label, kind, n in lines],
            "figures": None
            if record is None
            else [{"name": f.name, "value": f.value, "n": f.rows} for f in figures(record)],
            **{
                name: None if record is None else record.document().get(name)
                for name in ("yardstick", "benchmark", "judgement", "grades")
            },
        }


def compared_runs(
    arguments: Sequence[str],
    namespace: str | None,
    context: str | None,
    store: str | None,
    environment: Mapping[str, str],
) -> list[ComparedRun]:
    """Return the runs of the arguments, in their order.

    Raises:
        BadInputError: There are fewer than two runs, two arguments are the same run, or a store
            does not have a run. Also as `open_run`.
        StoreError: A store cannot be read, or a document of a run is damaged.
    """
    if len(arguments) < 2:
        raise BadInputError("compare needs two or more runs: isheep compare RUN RUN")
    opened = [open_run(argument, namespace, context, store) for argument in arguments]
    first: dict[tuple[str, str, str], str] = {}
    for argument, run in zip(arguments, opened, strict=True):
        place = (run.store.uri, run.ref.namespace, run.ref.name)
        if place in first:
            raise BadInputError(
                f"{first[place]} and {argument} are the same run; give two different runs"
            )
        first[place] = argument
    names = [run.ref.name for run in opened]
    titles = names if len(set(names)) == len(names) else list(arguments)
    return [_read(run, title, environment) for run, title in zip(opened, titles, strict=True)]


def _read(run: OpenRun, title: str, environment: Mapping[str, str]) -> ComparedRun:
    view = _view(run)
    executed = executing_process(view.uid, environment) is not None
    phase = view.status.phase or "Pending"
    found = funnels(ArtifactStore(run.store, view.namespace), committed_keys(view.status))
    remarks = [
        f"{title}: the store does not have the committed stage {id_}; the iteration has no funnel"
        for id_ in found.missing
    ]
    if isinstance(run, Target) and _is_edited(run, view):
        remarks.append(
            f"{title}: {run.file} has changed since the run was last started; the comparison is "
            "over the run as it was started"
        )
    try:
        spec, pinned = resolved_spec(view), pinned_values(view)
    except ValidationError as error:
        raise BadInputError(
            f"{title}: the spec or the status of the run in {run.store.uri} cannot be read: "
            f"{invalid_fields(error)[0]}; use the version of isheep that started the run"
        ) from error
    return ComparedRun(
        title=title,
        location=f"{run.store.uri}, namespace {view.namespace}",
        phase=phase if run.on_cluster is not None else shown_phase(view, executed=executed),
        view=view,
        store=run.store.uri,
        spec=spec,
        pinned=pinned,
        history={record.iteration: record for record in view.status.history},
        found=found,
        remarks=tuple(remarks),
    )


def _is_edited(run: Target, view: RunView) -> bool:
    """Return whether the file has changed since the start in other fields than those of `--set`."""
    changed = [f"spec.{one.field}" for one in differences([run.spec, view.spec])]
    values = run.stored.set_values()
    return any(not any(_overlap(field, name) for name in values) for field in changed)


def _overlap(one: str, other: str) -> bool:
    """Return whether two fields are the same, or one is inside of the other."""
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter) and longer[len(shorter) :][:1] in ("", ".", "[")


def _view(run: OpenRun) -> RunView:
    """Return the run with its status.

    The store of a run on a cluster has its stages and its reports, but neither its spec nor its
    status.
    """
    if run.find() is None and RunDocuments(run.store, run.ref).read_stages() is not None:
        raise BadInputError(
            f"{run.store.uri} has the reports of run {run.ref.name} (namespace "
            f"{run.ref.namespace}), but not its status, because the run is on a cluster: give its "
            "name with -n NAMESPACE or --context CONTEXT"
        )
    return run.submitted()
