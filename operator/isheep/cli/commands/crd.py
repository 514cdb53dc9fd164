"""`isheep crd`: the CustomResourceDefinition."""

from __future__ import annotations

import typer


def command() -> None:
    """Print the CustomResourceDefinition of this version."""
    from isheep.api.generation.crd import crd_yaml  # noqa: PLC0415  (imports pydantic)

    typer.echo(crd_yaml(), nl=False)
