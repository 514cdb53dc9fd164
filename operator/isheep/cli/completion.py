"""Shell completion that starts quickly; `_ISHEEP_COMPLETE=source_bash isheep` prints the script.

Typer's own options for completion (`add_completion=True`) import pydantic in every command, its
conversion of arguments imports pydantic, and its help texts in zsh, fish and PowerShell import
rich. Each of these imports takes longer than the whole completion.

Typer 0.29 has no public name for the classes of the shells or for their help texts, because it
contains its own copy of click. So this module uses the private module `_completion_classes`, and
`pyproject.toml` admits one minor version of typer only. `test_completion.py` fails if a later
version lacks one of the names.
"""

from __future__ import annotations

from typing import Any

from typer import _completion_classes
from typer.core import TyperCommand, TyperGroup


def enable_completion() -> None:
    """Let the program complete its arguments in bash, zsh, fish and PowerShell."""
    # The help texts of isheep have no rich markup that would need to be removed.
    _completion_classes._sanitize_help_text = str  # type: ignore[assignment]
    _completion_classes.completion_init()


def skip_conversion(command: TyperCommand | TyperGroup, ctx: Any) -> None:
    """Leave the arguments as text, and run no callback of `--version`, during completion.

    Completion needs to know only which arguments are given.
    """
    if ctx.resilient_parsing:
        for parameter in command.get_params(ctx):
            parameter.process_value = _as_given  # type: ignore[method-assign]


class Command(TyperCommand):
    """A command whose arguments are not converted during completion."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the command line."""
        skip_conversion(self, ctx)
        return super().parse_args(ctx, args)


def _as_given(ctx: Any, value: Any) -> Any:  # noqa: ARG001  (the signature of `process_value`)
    return value
