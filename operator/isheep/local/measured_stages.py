"""What the runs of a store have measured: the time and the bytes of their committed stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from pydantic import ValidationError

from isheep.api.model import Model
from isheep.contract.choices import Pool
from isheep.local.results import committed_keys
from isheep.local.stored_run import StoredRun, run_names
from isheep.planner.cost import MeasuredStage
from isheep.planner.pinning import Resolved, spec_of
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind
from isheep.store.interface import ObjectStore, StoreCorruptError
from isheep.store.manifest import Manifest

MOST_STAGES = 200
"""The largest number of manifests that are read, because each read of a bucket takes time."""


def measured_stages(
    store: ObjectStore,
    namespace: str,
    model: Model,
    manifest_of: Callable[[str], Manifest | None],
) -> list[MeasuredStage]:
    """Return the stages that runs of `isheep run` have committed with a model.

    `manifest_of` reads the manifest of a stage with a key. A run with damaged documents is left
    out, because an estimate does not need it.

    Raises:
        StoreError: The store cannot be read.
    """
    found: dict[str, MeasuredStage] = {}
    for name in run_names(store, namespace):
        with suppress(StoreCorruptError, ValidationError):
            for key in _keys(StoredRun(store, namespace, name), model):
                if key in found or len(found) >= MOST_STAGES:
                    continue
                if (manifest := manifest_of(key)) is not None:
                    found[key] = measured(manifest, name)
    return list(found.values())


def measured(manifest: Manifest, run: str) -> MeasuredStage:
    """Return what a manifest tells about the cost of its stage, which a run has committed.

    A stage of the processing pool needs no GPU, although its machine can have some.
    """
    kind = StageKind(manifest.stage.kind)
    needs_gpus = STAGE_DEFINITIONS[kind].pool is not Pool.PROCESSING
    times = manifest.timings
    seconds = (times.finished_at - times.started_at).total_seconds()
    units = manifest.statistics.get("steps") if manifest.stage.kind == StageKind.TRAIN else None
    return MeasuredStage(
        kind=kind,
        units=float(units or (manifest.items if _is_shared(manifest) else 1)),
        seconds=seconds,
        gpu_seconds=seconds * manifest.environment.gpus if needs_gpus else 0,
        bytes=sum(file.bytes for file in (*manifest.parts, *manifest.files)),
        device=manifest.environment.device,
        run=run,
    )


def _is_shared(manifest: Manifest) -> bool:
    """Return whether the number of items of the stage was known before it ran."""
    return "model" in manifest.settings and bool(manifest.parts)


def _keys(stored: StoredRun, model: Model) -> Iterator[str]:
    view = stored.read()
    if view is None or view.status.resolved is None:
        return
    theirs = spec_of(Resolved.model_validate(view.status.resolved)).model
    if (theirs.storage_uri, theirs.revision) != (model.storage_uri, model.revision):
        return
    for stage, key in committed_keys(view.status).items():
        if stage != StageKind.PREPARE:
            yield key
