"""`isheep crd`: the CustomResourceDefinition."""

from __future__ import annotations

import typer


def command() -> None:
    """Print the CustomResourceDefinition that this version's API is."""
    from isheep.api.crd import crd_yaml  # noqa: PLC0415

    typer.echo(crd_yaml(), nl=False)
