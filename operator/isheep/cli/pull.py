"""`isheep pull RUN -o DIR`: fetch the newest model of a run from its store."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isheep.cli.options import AnyContext, AnyNamespace, AnyRun, Store

if TYPE_CHECKING:
    from isheep.cli.open_run import OpenRun
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
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Fetch the LoRA adapter of the newest M(t).")
    ] = False,
    merged: Annotated[
        bool, typer.Option("--merged", help="Fetch the full weights of the newest M(t).")
    ] = False,
) -> None:
    """Fetch the newest M(t) of a run from its store, and check the SHA-256 of each file.

    The folder appears when all files are there. Without --adapter and --merged, it is the model of
    status.modelUri. The credentials for a bucket are those of the AWS environment.
    """
    from isheep.cli.errors import BadInputError
    from isheep.cli.opening import open_run
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
    stage = _stage(chosen, committed, form)
    artifacts = ArtifactStore(chosen.store, chosen.ref.namespace)
    manifest = artifacts.committed(committed[stage])
    with new_folder(folder) as temporary:
        count = write_model(artifacts, manifest, temporary, Base.of_adapter(manifest))
    number, kind = iteration_of(stage), kind_name(stage)
    what = f"M({number}) of {chosen.ref.name}"
    weights = "full weights" if kind == "merge" else "a LoRA adapter"
    typer.echo(f"{folder}: {what}, {weights}, {count} files with the SHA-256 of the manifest")
    if kind == "train" and trains_previous(manifest):
        typer.echo(
            f"the base of this adapter is M({number - 1}), not the base model of the run", err=True
        )


def _folder(output: str) -> Path:
    """Return the folder of the output; raises `BadInputError` if the model cannot be put there."""
    from isheep.cli.errors import BadInputError
    from isheep.cli.outputs import PIPE

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


def _stage(chosen: OpenRun, committed: dict[str, str], form: Handover | None) -> str:
    from isheep.cli.command_line import command_line
    from isheep.cli.errors import BadInputError
    from isheep.local.results import newest_model

    stage = newest_model(committed, form)
    if stage is not None:
        return stage
    if form == "Merged" and newest_model(committed, "Adapter") is not None:
        raise BadInputError(
            f"{chosen.ref.name} has no merged weights: its iteration has not merged them yet, or "
            "spec.training.handover is Adapter; use --adapter"
        )
    raise BadInputError(
        f"{chosen.ref.name} has no model yet: see `{command_line('status', *chosen.words)}`"
    )
