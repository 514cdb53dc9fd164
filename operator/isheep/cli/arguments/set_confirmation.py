"""The question of `isheep run` before it gives up the `--set` values of the run's last start."""

from __future__ import annotations

import shlex

import typer

from isheep.api.reading.set_values import set_words, value_text
from isheep.cli.arguments.target import Target
from isheep.cli.terminal.question import confirmed
from isheep.cli.terminal.text import printable
from isheep.contract.exit_codes import ExitCode
from isheep.local.changed_values import changed_values


def confirm_set_values(chosen: Target, *, yes: bool) -> None:
    """Print how the values differ from those of the last start, and ask unless `yes`.

    Raises:
        BadInputError: There is no terminal to ask.
        typer.Exit: The user does not want the new values.
    """
    before = chosen.stored.read()
    if before is None:
        return
    name, stored = chosen.run.metadata.name, chosen.stored.set_values()
    changes = changed_values(stored, before.spec, chosen.set_values, chosen.spec)
    if not changes:
        return
    typer.echo(f"{name}: the values differ from those of the last start with --set:", err=True)
    for one in changes:
        line = f"  {one.field}: {_shown(one.before)} before, {_shown(one.now)} now"
        typer.echo(printable(line), err=True)
    if yes:
        return
    kept = shlex.join(set_words(stored))
    typer.echo(printable(f"to keep the values of the last start, add {kept}"), err=True)
    if not confirmed("Continue with the values of now?", f"run {name}"):
        typer.echo("nothing is started")
        raise typer.Exit(ExitCode.STOPPED)


def _shown(value: object) -> str:
    return "the default" if value is None else value_text(value)
