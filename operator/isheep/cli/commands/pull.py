"""`isheep pull RUN -o DIR`: fetch the best model of a run from its store."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.arguments.options import AnyContext, AnyNamespace, AnyRun, Store

if TYPE_CHECKING:
    from isheep.cli.arguments.open_run import OpenRun
    from isheep.contract.choices import Handover


def command(
    run: AnyRun,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="DIR", help="Write to this folder, new or empty."),
    ],
    namespace: AnyNamespace = None,
    context: AnyContext = None,
    store: Store = None,
    *,
    iteration: Annotated[
        int | None,
        typer.Option("--iteration", min=1, help="Fetch M(t) of iteration t [default: the best]."),
    ] = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Fetch the LoRA adapter of M(t).")
    ] = False,
    merged: Annotated[
        bool, typer.Option("--merged", help="Fetch the full weights of M(t).")
    ] = False,
) -> None:
    """Fetch the best M(t) of a run from its store, and check the SHA-256 of each file.

    Without spec.best.metric, the best model is the newest one. The folder appears when all files
    are there. Without --adapter, --merged and --iteration, it is the model of status.modelUri. The
    credentials for a bucket are those of the AWS environment.
    """
    from isheep.cli.arguments.chosen_iteration import chosen_best
    from isheep.cli.arguments.opening import open_run
    from isheep.cli.figures.best_text import best_text
    from isheep.cli.terminal.errors import BadInputError
    from isheep.contract.stage_ids import iteration_of, kind_name
    from isheep.export.facts import Base, trains_previous
    from isheep.export.model_files import write_model
    from isheep.store.artifacts import ArtifactStore
    from isheep.store.local_files import new_folder

    if adapter and merged:
        raise BadInputError("--adapter and --merged: give one of them")
    folder = _folder(output)
    form: Handover | None = "Adapter" if adapter else "Merged" if merged else None
    chosen = open_run(run, namespace, context, store)
    committed = chosen.committed()
    best = chosen_best(chosen) if iteration is None else None
    stage = _stage(chosen, committed, form, best.iteration if best else iteration)
    artifacts = ArtifactStore(chosen.store, chosen.ref.namespace)
    manifest = artifacts.committed(committed[stage])
    with new_folder(folder) as temporary:
        count = write_model(artifacts, manifest, temporary, Base.of_adapter(manifest))
    number, kind = iteration_of(stage), kind_name(stage)
    what = f"M({number}) of {chosen.ref.name}"
    weights = "full weights" if kind == "merge" else "a LoRA adapter"
    typer.echo(f"{folder}: {what}, {weights}, {count} files with the SHA-256 of the manifest")
    if best is not None:
        typer.echo(f"the best model: {best_text(best)}", err=True)
    if kind == "train" and trains_previous(manifest):
        made_by = {key: id_ for id_, key in committed.items()}
        base = iteration_of(made_by.get(manifest.inputs["model"][0], f"i{number - 1}/"))
        typer.echo(
            f"the base of this adapter is M({base}), not the base model of the run", err=True
        )


def _folder(output: str) -> Path:
    """Return the folder of the output; raises `BadInputError` if the model cannot be put there."""
    from isheep.cli.arguments.outputs import PIPE
    from isheep.cli.terminal.errors import BadInputError

    folder = Path(output).absolute()
    if output == PIPE or (folder.exists() and not folder.is_dir()):
        raise BadInputError(f"--output {output}: a model has several files; name a folder")
    if folder.is_dir() and (any(folder.iterdir()) or folder.samefile(".")):
        # The folder is replaced as a whole, so the working directory of the shell would vanish.
        raise BadInputError(
            f"--output {output}: the folder is not empty or is the working directory; name a new "
            "folder"
        )
    return folder


def _stage(
    chosen: OpenRun, committed: dict[str, str], form: Handover | None, iteration: int | None
) -> str:
    """Return the stage that made M(t) of an iteration, or the newest one if it is None."""
    from isheep.cli.arguments.chosen_iteration import model_stage
    from isheep.cli.terminal.command_line import command_line
    from isheep.cli.terminal.errors import BadInputError
    from isheep.local.results import newest_model

    def made(wanted: Handover | None) -> str | None:
        if iteration is None:
            return newest_model(committed, wanted)
        return model_stage(committed, wanted, iteration)

    stage = made(form)
    if stage is not None:
        return stage
    if form == "Merged" and made("Adapter") is not None:
        raise BadInputError(
            f"{chosen.ref.name} has no merged weights: its iteration has not merged them yet, or "
            "spec.training.handover is Adapter; use --adapter"
        )
    what = "model" if iteration is None else f"M({iteration})"
    raise BadInputError(
        f"{chosen.ref.name} has no {what} yet: see `{command_line('status', *chosen.words)}`"
    )
