"""`isheep`: the command line. One verb a file; what a verb needs is imported when it runs."""

from __future__ import annotations


def main() -> None:
    """Run the command line; never returns."""
    from isheep.cli.app import app  # noqa: PLC0415  (`import isheep.cli` stays free)

    app()
