"""`isheep plan FILE`: the stages, their keys, and which of them exist."""
# ruff: noqa: PLC0415  (a verb imports what it needs when it runs)

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from isheep.cli.options import RunFile, Store

if TYPE_CHECKING:
    from isheep.cli.target import Target
    from isheep.planner.walk import Walk

KEY_DIGITS = 16


def command(file: RunFile, store: Store = None) -> None:
    """Print the stages that `isheep run` would go through, and what exists of them."""
    from isheep.cli.target import target
    from isheep.cli.text import printable

    for line in _lines(_journey(target(file, store))):
        typer.echo(printable(line))


def _journey(chosen: Target) -> Walk:
    """Walk along the recipe as `isheep run` would, asking the store for what exists."""
    from isheep.local.session import utc_now
    from isheep.planner.pinning import pin, recipe_of, spec_of
    from isheep.planner.walk import walk
    from isheep.recipes.interface import Stage, StageKind, Statistics
    from isheep.store.artifacts import ArtifactStore

    metadata = chosen.run.metadata
    view = chosen.stored.preview(chosen.spec, metadata.annotations, utc_now())
    resolved = pin(view, "", retried=False)
    spec = spec_of(resolved)
    artifacts = ArtifactStore(chosen.store, metadata.namespace)

    def exists(stage: Stage, key: str) -> Statistics | None:
        if stage.kind is StageKind.PREPARE:
            # prepare leaves no artifact: what it found is in the run's status.
            return {} if resolved.prepared is not None else None
        manifest = artifacts.manifest(key)
        return None if manifest is None else manifest.statistics

    return walk(recipe_of(spec), spec, resolved.prepared, resolved.stage_versions, exists)


def _lines(journey: Walk) -> list[str]:
    width = max(len(stage.id) for stage in journey.stages)
    lines = [
        f"{stage.id:<{width}}  {journey.keys[stage.id][:KEY_DIGITS]}  "
        + ("exists" if stage.id in journey.results else "to do")
        for stage in journey.stages
    ]
    if journey.end.failure is not None:
        lines.append(f"then it fails, {journey.end.failure.reason}: {journey.end.failure.message}")
    elif not journey.end.complete:
        lines.append(f"what follows depends on the result of {journey.stages[-1].id}")
    return lines
