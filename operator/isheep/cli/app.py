"""The verbs put together, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from isheep import __version__
from isheep.cli import crd, export, operator, plan, report, run, status, validate
from isheep.cli import filter as filter_
from isheep.cli.errors import told
from isheep.cli.text import printable
from isheep.contract.exit_codes import ExitCode


@contextmanager
def _usage_errors_as_bad_input() -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        raise
    except typer.TyperException as error:
        # Wrong options and arguments; typer would leave with 2.
        error.exit_code = ExitCode.BAD_INPUT
        raise


class _Group(TyperGroup):
    """Tells what went wrong in one message and leaves with the designed exit code."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _usage_errors_as_bad_input():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _usage_errors_as_bad_input():
                return super().invoke(ctx)
        except (typer.Exit, typer.TyperException):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if ctx.params["debug"]:
                raise
            message, code = told(error)
            typer.echo(f"isheep: {printable(message)}", err=True)
            raise typer.Exit(code) from None


app = typer.Typer(
    name="isheep",
    cls=_Group,
    help="A language model aligns itself from nothing: I-SHEEP runs on this machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"isheep {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[  # noqa: ARG001  its callback has done the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which isheep.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log in detail; show a traceback with an error.")
    ] = False,
) -> None:
    if debug:
        logging.basicConfig(level=logging.DEBUG)


for _verb in (run, validate, plan, status, export, report, filter_, crd, operator):
    app.command(_verb.__name__.rpartition(".")[2])(_verb.command)
