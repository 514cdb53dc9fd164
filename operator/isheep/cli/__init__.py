"""`isheep`, the command line: one module for each command (`commands`).

`isheep --help`, `--version` and shell completion must start quickly. A command's module therefore
imports pydantic, the store and the drivers inside its functions, when the command runs.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its exit code."""
    from isheep.cli.app import app  # noqa: PLC0415  (`import isheep.cli` imports no typer)

    app()
