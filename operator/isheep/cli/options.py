"""The arguments and options that several verbs take, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from isheep.cli.errors import BadInputError

MIRRORS_VARIABLE = "ISHEEP_MIRRORS"

RunFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="The run, a SelfAlignmentRun as YAML.")
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH|s3://…",
        help="Where the data is [default: spec.storage, else ./isheep-store].",
    ),
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option(
        "--mirror",
        metavar="URI=DIR",
        help=(
            "Read what URI begins from DIR instead: hf://org/name=DIR. May be repeated; "
            f"{MIRRORS_VARIABLE} holds more, separated by commas."
        ),
    ),
]
ConfigMaps = Annotated[
    list[str] | None,
    typer.Option("--config-map", metavar="NAME=DIR", help="A folder that stands for a ConfigMap."),
]


def mirrors(given: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the mirrors by URI, those of the environment first; raises `BadInputError`."""
    variable = [text for text in environment.get(MIRRORS_VARIABLE, "").split(",") if text.strip()]
    return {
        **_folders(variable, MIRRORS_VARIABLE, "hf://org/name=DIR"),
        **_folders(given, "--mirror", "hf://org/name=DIR"),
    }


def config_maps(given: Iterable[str]) -> dict[str, str]:
    """Return the folders that stand for ConfigMaps, by name; raises `BadInputError`."""
    return _folders(given, "--config-map", "NAME=DIR")


def _folders(given: Iterable[str], option: str, form: str) -> dict[str, str]:
    folders = {}
    for text in given:
        name, separator, folder = text.strip().partition("=")
        if not (name and separator and folder):
            raise BadInputError(f"{option} {text!r}: write it as {form}")
        path = Path(folder).expanduser().absolute()
        if not path.is_dir():
            raise BadInputError(f"{option} {name}: there is no folder {path}")
        folders[name] = str(path)
    return folders
