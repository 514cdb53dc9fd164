"""`isheep push FOLDER --repo ORG/NAME`: upload an exported data set or model to a hub."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isheep.contract.choices import RepositoryType


def command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder that `isheep export` wrote.")
    ],
    repository: Annotated[
        str,
        typer.Option("--repo", metavar="ORG/NAME", help="Upload to this repository of the hub."),
    ],
    *,
    kind: Annotated[
        RepositoryType | None,
        typer.Option("--type", help="Use this type of repository [default: depends on the files]."),
    ] = None,
    private: Annotated[
        bool,
        typer.Option("--private", help="Create a private repository, and refuse a public one."),
    ] = False,
) -> None:
    """Upload a folder to a hub. The token comes from HF_TOKEN or from `hf auth login`."""
    from isheep.cli.terminal.errors import BadInputError, UnreachableError
    from isheep.export.hub import HubError, HubUnreachableError, push, repository_type

    try:
        pushed = push(folder, repository, kind or repository_type(folder), private=private)
    except HubError as error:
        raise BadInputError(str(error)) from error
    except HubUnreachableError as error:
        raise UnreachableError(str(error)) from error
    typer.echo(f"{folder}: pushed to the {pushed.kind} {pushed.repository}, commit {pushed.commit}")
