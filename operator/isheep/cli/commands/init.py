"""`isheep init [FILE]`: write the file of a run, with a comment on each field."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from isheep.cli.arguments.outputs import output_file
from isheep.cli.new_run.run_sizes import NAMES

FILE = "run.yaml"


def command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="The file to write, or a folder for a file run.yaml; - writes stdout.",
        ),
    ] = FILE,
    *,
    size: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SIZE",
            help=f"Ask nothing, and use the settings for a model of this size: {NAMES}.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="URI", help="The base model, as hf://organization/name."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="The method, as ISheep.")
    ] = None,
    iterations: Annotated[
        str | None,
        typer.Option("--iterations", metavar="NUMBER", help="The number of iterations."),
    ] = None,
    instructions: Annotated[
        str | None,
        typer.Option(
            "--instructions", metavar="NUMBER", help="The number of instructions in an iteration."
        ),
    ] = None,
    cluster: Annotated[
        bool | None,
        typer.Option("--cluster/--machine", help="Write a run for a cluster or for one machine."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", metavar="PATH|s3://…", help="The place for the data, for spec.storage."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the file of a run, with a comment on each field.

    The command asks for what no option gives. With --from, it asks nothing.
    """
    from isheep.cli.new_run.init_questions import answered
    from isheep.cli.new_run.run_text import run_text
    from isheep.cli.terminal.command_line import command_line
    from isheep.cli.terminal.errors import BadInputError
    from isheep.cli.terminal.text import printable

    path = output_file(file, FILE)
    if path is not None and os.path.lexists(path) and not force:
        raise BadInputError(
            f"{path}: the file exists; name another file, or add --force to replace it"
        )
    if size is None and not sys.stdin.isatty():
        raise BadInputError(f"init: there is no terminal to ask; add --from SIZE, one of {NAMES}")
    given = {
        "from": size,
        "model": model,
        "recipe": recipe,
        "iterations": iterations,
        "instructions": instructions,
        "cluster": None if cluster is None else ("cluster" if cluster else "machine"),
        "store": store,
    }
    answers = answered(given, None if size is not None else _ask)
    text = run_text(answers)
    if path is None:
        typer.echo(text, nl=False)
        return
    _write(path, text, force=force)
    verb = ("submit", path, "-n", "NAMESPACE") if answers.cluster else ("run", path)
    typer.echo(printable(f"{path}: written; next: {command_line(*verb)}"))


def _ask(question: str) -> str:
    """Return the answer of the user; the question is on stderr, because stdout can be the file."""
    from isheep.cli.terminal.errors import BadInputError

    typer.echo(question, nl=False, err=True)
    try:
        return input().strip()
    except EOFError:
        raise BadInputError(
            "init: the input ended before the last question, so nothing is written"
        ) from None


def _write(path: Path, text: str, *, force: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w" if force else "x", encoding="utf-8") as file:
        file.write(text)
