"""`isheep plan FILE`: the stages, their keys, and which of them are committed."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from isheep.cli.options import RunFile, Store

if TYPE_CHECKING:
    from isheep.cli.target import Target
    from isheep.planner.walk import Walk

KEY_DIGITS = 16


def command(file: RunFile, store: Store = None) -> None:
    """Print the stages of a run with their keys, and which of them exist."""
    from isheep.cli.target import target
    from isheep.cli.text import printable

    for line in _lines(_walk(target(file, store))):
        typer.echo(printable(line))


def _walk(chosen: Target) -> Walk:
    """Walk through the recipe as `isheep run` does; the store contains what exists."""
    from isheep.local.session import utc_now
    from isheep.planner.pinning import pin, recipe_of, spec_of
    from isheep.planner.walk import walk
    from isheep.recipes.interface import Stage, Statistics
    from isheep.recipes.stage_kinds import StageKind
    from isheep.store.artifacts import ArtifactStore

    metadata = chosen.run.metadata
    view = chosen.stored.preview(chosen.spec, metadata.annotations, utc_now())
    resolved = pin(view, "", retried=False)
    spec = spec_of(resolved)
    artifacts = ArtifactStore(chosen.store, metadata.namespace)

    def exists(stage: Stage, key: str) -> Statistics | None:
        if stage.kind is StageKind.PREPARE:
            # prepare writes no artifact; its result is in the status of the run.
            return {} if resolved.prepared is not None else None
        manifest = artifacts.manifest(key)
        return None if manifest is None else manifest.statistics

    return walk(recipe_of(spec), spec, resolved.prepared, resolved.stage_versions, exists)


def _lines(walked: Walk) -> list[str]:
    width = max(len(stage.id) for stage in walked.stages)
    lines = [
        f"{stage.id:<{width}}  {walked.keys[stage.id][:KEY_DIGITS]}  "
        + ("exists" if stage.id in walked.results else "to do")
        for stage in walked.stages
    ]
    if walked.end.failure is not None:
        lines.append(
            f"then the run fails with {walked.end.failure.reason}: {walked.end.failure.message}"
        )
    elif not walked.end.complete:
        lines.append(f"the next stages depend on the result of {walked.stages[-1].id}")
    return lines
