"""The file that `isheep init` writes: a run with a comment on each of its fields."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from isheep.cli.new_run.run_fields import Answers, fields

WIDTH = 96


def run_text(answers: Answers) -> str:
    """Return the text of the file."""
    lines: list[str] = []
    for paragraph in _head(answers):
        lines += _wrapped(0, paragraph)
    lines.append("")
    for depth, text, comment in fields(answers):
        lines += _wrapped(depth, comment) if comment else []
        lines.append("  " * depth + text)
    return "\n".join(lines) + "\n"


def _wrapped(depth: int, paragraph: str) -> list[str]:
    begin = "  " * depth + "#"
    if not paragraph or paragraph.startswith(" "):
        return [f"{begin}{paragraph}".rstrip()]
    return textwrap.wrap(
        paragraph,
        WIDTH,
        initial_indent=f"{begin} ",
        subsequent_indent=f"{begin} ",
        break_on_hyphens=False,
    )


def _head(answers: Answers) -> Iterator[str]:
    place = "on a cluster" if answers.cluster else "on one machine"
    gpus = "a GPU" if answers.size.gpus == 1 else f"{answers.size.gpus} GPUs"
    need = f"{gpus} with {answers.size.gpu_gigabytes} GB or more"
    yield (
        f"A run of isheep {place}, for a model with {answers.size.name.upper()} parameters, which "
        f"needs {'no GPU' if answers.is_tiny else need}. If this file is run.yaml:"
    )
    yield ""
    yield "   isheep validate run.yaml       # check the file"
    yield "   isheep plan run.yaml           # list all stages, and what an edit changes"
    if answers.cluster:
        yield "   isheep submit run.yaml -n NAMESPACE   # create the run on the cluster"
    else:
        yield "   isheep run run.yaml            # start or resume the run; Ctrl-C stops it"
    yield ""
    if answers.store is None:
        default = (
            "the store that the operator has as its default (defaultStorage)"
            if answers.cluster
            else "the folder isheep-store in the working directory, or in the store of --store"
        )
        yield f"The data are in {default}, because this file has no field spec.storage."
        yield ""
    yield (
        "A field that is not here has its default, which is the paper's value. The reference "
        "(docs/reference/selfalignmentrun.md) has all fields. You can edit every field except the "
        "recipe and the storage; only the stages that depend on the edited field run again."
    )
