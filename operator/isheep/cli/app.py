"""The `isheep` command: its commands, and how an error becomes a message and an exit code.

`isheep --help`, `--version` and shell completion load this module and the modules of the commands.
None of these modules may import pydantic, kubernetes or boto3 when it is loaded: import-linter
checks this module, and `test_startup.py` checks all of them.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from isheep import __version__
from isheep.cli.completion import Command, enable_completion, skip_conversion
from isheep.cli.terminal.text import printable
from isheep.contract.exit_codes import ExitCode

COMMANDS = (
    "init",
    "run",
    "validate",
    "plan",
    "status",
    "list",
    "logs",
    "compare",
    "evaluate",
    "du",
    "gc",
    "export",
    "pull",
    "push",
    "report",
    "filter",
    "submit",
    "suspend",
    "resume",
    "retry",
    "wait",
    "delete",
    "doctor",
    "crd",
    "operator",
)
"""The commands in the order of `--help`; each is `command` in `isheep.cli.commands.<name>`."""

ALIASES = {"diff": "compare"}
"""Other names of commands, which `--help` does not list."""


@contextmanager
def _usage_errors_as_bad_input() -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        raise
    except typer.TyperException as error:
        # Typer exits with 2 after a wrong option or argument.
        error.exit_code = ExitCode.BAD_INPUT
        raise


BROKEN_PIPE = 128 + signal.SIGPIPE
"""The exit code after the reader of stdout has ended, as a shell shows it for other programs."""


@contextmanager
def _silent_broken_pipe() -> Iterator[None]:
    """End without a message if the reader of stdout has ended, such as `| head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise Python would write the rest of its buffer at its exit, and report the error.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None


class _Group(TyperGroup):
    """Prints one message for an error and exits with the exit code of the error's kind."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _silent_broken_pipe(), _usage_errors_as_bad_input():
            return super().make_context(*args, **extra)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        skip_conversion(self, ctx)
        return super().parse_args(ctx, args)

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        if option is not None:
            # Typer would import pydantic to convert None, the usual default.
            option.default = False
        return option

    def invoke(self, ctx: Any) -> Any:
        with _silent_broken_pipe():
            return self._invoke(ctx)

    def _invoke(self, ctx: Any) -> Any:
        try:
            with _usage_errors_as_bad_input():
                return super().invoke(ctx)
        except (typer.Exit, typer.TyperException, BrokenPipeError):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if ctx.params["debug"]:
                raise
            from isheep.cli.error_codes import (  # noqa: PLC0415  (imports pydantic)
                begins_with_place,
                message_and_code,
            )

            message, code = message_and_code(error)
            prefix = "" if begins_with_place(error) else "isheep: "
            typer.echo(f"{prefix}{printable(message)}", err=True)
            raise typer.Exit(code) from None


app = typer.Typer(
    name="isheep",
    cls=_Group,
    help="Align a language model with data that the model writes itself (I-SHEEP).",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,  # `enable_completion` enables it.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"isheep {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[  # noqa: ARG001  (the callback `_show_version` uses it)
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log details, and show the traceback of an error.")
    ] = False,
) -> None:
    if debug:
        from isheep.logs import configure_logs  # noqa: PLC0415  (no other option needs it)

        configure_logs("Text", logging.DEBUG)


def _function(name: str) -> Any:
    return import_module(f"isheep.cli.commands.{name}").command


for _name in COMMANDS:
    app.command(_name, cls=Command)(_function(_name))
for _alias, _name in ALIASES.items():
    app.command(_alias, cls=Command, hidden=True)(_function(_name))

enable_completion()
