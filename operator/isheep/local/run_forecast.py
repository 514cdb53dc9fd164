"""The forecast of a run over the store: what `isheep plan` shows.

The result of prepare is in the status of the run that executed it. A new run, or an edited one, has
no such result yet. Then the forecast takes the result of a run in this store whose spec is the same
in every field that prepare reads: of the run itself, or else of another. Its name does not matter.
An edit of the benchmarks is no hindrance: the rest of the result does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import ValidationError

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.prepared import Prepared
from isheep.local.devices import gpu_field
from isheep.local.measured_stages import measured_stages
from isheep.local.stored_run import StoredRun, run_names
from isheep.planner.cost import Cost, cost
from isheep.planner.edits import Basis, causes, changed_fields, prepare_can_differ
from isheep.planner.expected_prepare import PREDICTED_FIELDS, expected_prepared
from isheep.planner.forecast import Forecast, ForecastStage, Work, forecast, work
from isheep.planner.pinning import Resolved, pin, recipe_of, spec_of
from isheep.planner.types import RunView
from isheep.planner.walk import walk
from isheep.recipes.interface import Stage, Statistics
from isheep.recipes.stage_kinds import StageKind
from isheep.store.artifacts import ArtifactStore
from isheep.store.interface import ObjectStore, StoreCorruptError, StoreError, StoreVersionError
from isheep.store.manifest import Manifest


@dataclass(frozen=True, slots=True)
class RunForecast:
    """The forecast of a run, and from what it was made.

    `store_error` is set if the store could not be read; the forecast then has no results.
    `prepared_by` is the name of the run whose result of prepare is expected, None if prepare is
    committed or nothing can be expected. `edited` are the fields that differ from the run
    `compared_with`, `prepare_fields` are those of them that prepare reads, and `causes` has, by
    stage id, those that give a stage another key. `repeated` are the stages that exist with another
    key, for the spec of before. `current_key` is the key of the stage that the
    run executes if a process executes the run. `cost` is that of the stages that do not exist.
    """

    store: str
    forecast: Forecast
    work: Work
    cost: Cost
    store_error: str | None = None
    prepared_by: str | None = None
    compared_with: str | None = None
    edited: tuple[str, ...] = ()
    prepare_fields: tuple[str, ...] = ()
    causes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()
    current_key: str | None = None

    @property
    def to_do(self) -> tuple[ForecastStage, ...]:
        """The stages that do not exist."""
        return tuple(one for one in self.forecast.stages if one.result is None)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A run of this store with a result of prepare."""

    name: str
    resolved: Resolved
    prepared: Prepared
    edited: tuple[str, ...]
    prepare_fields: tuple[str, ...]

    def expected(self, spec: SelfAlignmentRunSpec) -> Prepared | None:
        """Return the result of prepare that is expected for a spec."""
        return expected_prepared(self.prepared, spec_of(self.resolved), spec)


def _results(
    manifest_of: Callable[[str], Manifest | None],
) -> Callable[[Stage, str], Statistics | None]:
    """Return a function that returns the statistics of a stage, or None if it does not exist."""

    def statistics(stage: Stage, key: str) -> Statistics | None:
        if stage.kind is StageKind.PREPARE:
            return {}
        manifest = manifest_of(key)
        return None if manifest is None else manifest.statistics

    return statistics


def forecast_run(
    store: ObjectStore,
    stored: StoredRun,
    spec: Mapping[str, Any],
    annotations: Mapping[str, str],
    *,
    now: datetime,
    on_gpus: bool = False,
) -> RunForecast:
    """Return the forecast of a run with this spec; a store that cannot be read is in the result.

    `on_gpus` is True if this machine has GPUs; the spec can ask for them too.

    Raises:
        PlanningError: The run cannot be planned.
        StoreCorruptError: A document of the run or a manifest is damaged.
        StoreVersionError: A newer isheep wrote a manifest.
    """
    try:
        view = stored.preview(spec, annotations, now)
        return _over_store(store, stored, view, on_gpus=on_gpus)
    except (StoreCorruptError, StoreVersionError):
        raise
    except StoreError as error:
        ref = stored.ref
        status = SelfAlignmentRunStatus()
        view = RunView(ref.namespace, ref.name, ref.uid, 1, now, dict(spec), status, {})
        return _without_result(store.uri, pin(view, "", retried=False), str(error))


def _without_result(uri: str, resolved: Resolved, error: str | None) -> RunForecast:
    spec = spec_of(resolved)
    made = forecast(
        recipe_of(spec),
        spec,
        None,
        resolved.stage_versions,
        lambda _stage, _key: None,
        prepare_committed=False,
    )
    return RunForecast(uri, made, work(made.stages), cost(made.stages, ()), store_error=error)


def _over_store(
    store: ObjectStore, stored: StoredRun, view: RunView, *, on_gpus: bool
) -> RunForecast:
    resolved = pin(view, "", retried=False)
    spec, versions = spec_of(resolved), resolved.stage_versions
    # The stages of this run and those that give the rates can be the same, so each is read once.
    manifest_of = cache(ArtifactStore(store, view.namespace).manifest)
    results = _results(manifest_of)
    earlier = _earlier_run(store, stored, view, resolved)
    committed = resolved.prepared is not None
    expected = earlier if earlier is not None and not earlier.prepare_fields else None
    prepared = resolved.prepared or (None if expected is None else expected.expected(spec))
    recipe = recipe_of(spec)
    made = forecast(recipe, spec, prepared, versions, results, prepare_committed=committed)
    changed: Mapping[str, tuple[str, ...]] = {}
    old: Mapping[str, Statistics] = {}
    if expected is not None and expected.edited and not committed:
        before = spec_of(expected.resolved)
        # A stage kind that is newer than the earlier run has no pinned version there.
        theirs = {**versions, **expected.resolved.stage_versions}
        old = walk(recipe, before, expected.prepared, theirs, results).results
        basis = Basis(recipe, expected.expected, versions, old)
        changed = causes(before.document(), resolved.spec, basis)
    # A finished run needs no rates, and each of them is read from a manifest.
    has_work = any(one.result is None for one in made.stages)
    measured = measured_stages(store, view.namespace, spec.model, manifest_of) if has_work else []
    compares = earlier is not None and not committed and bool(earlier.edited)
    return RunForecast(
        store.uri,
        made,
        work(made.stages),
        cost(made.stages, measured, on_gpus=on_gpus or gpu_field(spec) is not None),
        prepared_by=expected.name if expected is not None and not committed else None,
        compared_with=earlier.name if earlier is not None and compares else None,
        edited=earlier.edited if earlier is not None and compares else (),
        prepare_fields=earlier.prepare_fields if earlier is not None and compares else (),
        causes=changed,
        repeated=tuple(
            one.stage.id for one in made.stages if one.result is None and one.stage.id in old
        ),
        current_key=None if view.status.stage is None else view.status.stage.key,
    )


def _earlier_run(
    store: ObjectStore, stored: StoredRun, view: RunView, resolved: Resolved
) -> _Earlier | None:
    """Return the run whose result of prepare can be expected, or else this run before its edit."""
    if resolved.prepared is not None:
        return None
    found = list(_prepared_runs(store, stored, view, resolved))
    usable = [one for one in found if not one.prepare_fields]
    if usable:
        # The run itself is first, so it wins among equals.
        own = usable[0].name == view.name
        return usable[0] if own else min(usable, key=lambda one: len(one.edited))
    return found[0] if found and found[0].name == view.name else None


def _prepared_runs(
    store: ObjectStore, stored: StoredRun, view: RunView, resolved: Resolved
) -> Iterator[_Earlier]:
    """Yield the runs of the namespace with the same recipe, this run first.

    A run with damaged documents is left out, because the plan does not depend on it.
    """
    statuses = [(view.name, view.status)]
    for name in run_names(store, view.namespace):
        if name == view.name:
            continue
        with suppress(StoreCorruptError):
            other = StoredRun(store, stored.ref.namespace, name).read()
            if other is not None:
                statuses.append((name, other.status))
    for name, status in statuses:
        with suppress(ValidationError):
            if (earlier := _earlier(name, status, resolved)) is not None:
                yield earlier


def _earlier(name: str, status: SelfAlignmentRunStatus, resolved: Resolved) -> _Earlier | None:
    """Return a run with a result of prepare for the recipe of `resolved`, or None."""
    if status.resolved is None:
        return None
    theirs = Resolved.model_validate(status.resolved)
    before = SelfAlignmentRunSpec.read_stored(theirs.spec)
    if theirs.prepared is None or before.recipe != resolved.spec["recipe"]:
        return None
    edited = changed_fields(before.document(), resolved.spec)
    fields = prepare_can_differ(edited)
    if expected_prepared(theirs.prepared, before, spec_of(resolved)) is not None:
        fields = tuple(field for field in fields if field not in PREDICTED_FIELDS)
    return _Earlier(name, theirs, theirs.prepared, edited, fields)
