"""The arguments and options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from isheep.cli.arguments import suggestions
from isheep.cli.terminal.errors import BadInputError

MIRRORS_VARIABLE = "ISHEEP_MIRRORS"


class Output(StrEnum):
    """The formats of the output."""

    TEXT = "text"
    JSON = "json"


RunFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="The YAML file of a SelfAlignmentRun.")
]
AnyRun = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The YAML file of a SelfAlignmentRun (- is stdin), or the name of one.",
        autocompletion=suggestions.runs,
    ),
]
RunName = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of a SelfAlignmentRun on a cluster.")
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAMESPACE",
        help="Use this namespace [default: the namespace of the context].",
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="CONTEXT",
        help="Use this context of the kubeconfig [default: its current context].",
    ),
]
AnyNamespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAMESPACE",
        help="Find the name in this namespace: of the cluster, or of the store with --store.",
    ),
]
AnyContext = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="CONTEXT",
        help="Find the name on the cluster of this context of the kubeconfig.",
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH|s3://…",
        help="Use this store [default: spec.storage; without it ./isheep-store].",
    ),
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option(
        "--mirror",
        metavar="URI=DIR",
        help=(
            "Read models and data whose address starts with URI from the folder DIR, for example "
            "hf://org/name=/models/name. Repeatable. The environment variable "
            f"{MIRRORS_VARIABLE} can contain more pairs, separated by commas."
        ),
    ),
]
ConfigMaps = Annotated[
    list[str] | None,
    typer.Option(
        "--config-map",
        metavar="NAME=DIR",
        help="Use the folder DIR in place of the ConfigMap NAME. Repeatable.",
    ),
]


Plain = Annotated[
    bool, typer.Option("--plain", help="Print plain lines, as if stdout were not a terminal.")
]
AllowCpu = Annotated[
    bool,
    typer.Option("--allow-cpu", help="Use the CPU if the run asks for GPUs and none is found."),
]
SetValues = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="spec.FIELD=VALUE",
        autocompletion=suggestions.set_fields,
        help=(
            "Set a field of the run in place of the file, as spec.selection.threshold=5. The value "
            "is YAML; null removes the field. Repeatable."
        ),
    ),
]


def mirrors(given: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the folder of each mirrored URI; raises `BadInputError`.

    An option replaces a mirror of the environment variable for the same URI.
    """
    variable = [text for text in environment.get(MIRRORS_VARIABLE, "").split(",") if text.strip()]
    return {
        **_folders(variable, MIRRORS_VARIABLE, "hf://org/name=DIR"),
        **_folders(given, "--mirror", "hf://org/name=DIR"),
    }


def config_maps(given: Iterable[str]) -> dict[str, str]:
    """Return the folder of each ConfigMap by its name; raises `BadInputError`."""
    return _folders(given, "--config-map", "NAME=DIR")


def _folders(given: Iterable[str], option: str, form: str) -> dict[str, str]:
    folders = {}
    for text in given:
        name, separator, folder = text.strip().partition("=")
        if not (name and separator and folder):
            raise BadInputError(f"{option} {text!r}: write it as {form}")
        path = Path(folder).expanduser().absolute()
        if not path.is_dir():
            raise BadInputError(f"{option} {name}: {path} is not a folder; correct the path")
        folders[name] = str(path)
    return folders
