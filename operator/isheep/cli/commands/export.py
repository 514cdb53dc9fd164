"""`isheep export RUN -o PATH`: write D(t) for training libraries, M(t), or results of benchmarks.

The path is a file, or a folder that `isheep push` can upload: with the data or the model, and with
a card.
"""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isheep.cli.arguments.options import AnyContext, AnyNamespace, AnyRun, Store
from isheep.cli.arguments.outputs import PIPE, is_folder, output_file
from isheep.contract.choices import ExportFileType, ExportFormat

if TYPE_CHECKING:
    from isheep.cli.arguments.open_run import OpenRun
    from isheep.export.facts import Facts
    from isheep.export.writers import Lines
    from isheep.store.artifacts import ArtifactStore
    from isheep.store.manifest import Manifest

CARD = "README.md"
DATA = "train"


def command(
    run: AnyRun,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Write to this file, or to this folder together with a card. PATH is a folder if "
            "it ends with / or is one already. - writes stdout.",
        ),
    ],
    *,
    iteration: Annotated[
        int | None,
        typer.Option(
            "--iteration",
            min=1,
            help="Export D(t) or M(t) of iteration t [default: that of the best model].",
        ),
    ] = None,
    form: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="Write D(t) in this format. text has plain strings without a chat template.",
        ),
    ] = "prompt-completion",
    file_type: Annotated[
        ExportFileType | None,
        typer.Option(
            "--file-type", help="Write this type of file [default: the suffix of PATH, or jsonl]."
        ),
    ] = None,
    model: Annotated[
        bool, typer.Option("--model", help="Write M(t) and its card to a folder, and not D(t).")
    ] = False,
    evaluation: Annotated[
        bool,
        typer.Option(
            "--evaluation",
            help="Write the results of all models on benchmarks to a folder, in the format of "
            "lm-eval, and not D(t).",
        ),
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option("--license", metavar="ID", help="Name this licence in the card."),
    ] = None,
    namespace: AnyNamespace = None,
    context: AnyContext = None,
    store: Store = None,
) -> None:
    """Write D(t) in a format of training libraries, M(t), or the results on benchmarks."""
    from isheep.cli.arguments.chosen_iteration import best_iteration
    from isheep.cli.arguments.opening import open_run
    from isheep.cli.terminal.errors import BadInputError
    from isheep.export.rows import ExportError

    opened = open_run(run, namespace, context, store)
    if evaluation:
        if model or iteration is not None:
            raise BadInputError("--evaluation: leave out --model and --iteration")
        _export_evaluation(opened, output)
        return
    if iteration is None:
        iteration, note = best_iteration(opened, opened.committed())
        typer.echo(f"iteration {iteration}: {note}", err=True)
    chosen = _Iteration.of(opened, iteration)
    try:
        if model:
            _export_model(chosen, output, licence)
        else:
            _export_data(chosen, output, form, file_type, licence)
    except ExportError as error:
        raise BadInputError(f"{chosen.name}, D({iteration}): {error}") from error


@dataclass(frozen=True, slots=True)
class _Iteration:
    """One iteration of a run, with the manifests of its committed stages."""

    target: OpenRun
    number: int
    artifacts: ArtifactStore
    manifests: dict[str, Manifest]

    @classmethod
    def of(cls, chosen: OpenRun, number: int) -> _Iteration:
        from isheep.store.artifacts import ArtifactStore

        artifacts = ArtifactStore(chosen.store, chosen.ref.namespace)
        keys = {i: k for i, k in chosen.committed().items() if i.startswith(f"i{number}/")}
        found = {id_: artifacts.manifest(key) for id_, key in keys.items()}
        return cls(chosen, number, artifacts, {i: m for i, m in found.items() if m is not None})

    @property
    def name(self) -> str:
        return self.target.ref.name

    def stage(self, *kinds: str) -> Manifest:
        """Return the manifest of the first of these stages that is committed."""
        from isheep.cli.terminal.command_line import command_line
        from isheep.cli.terminal.errors import BadInputError

        for kind in kinds:
            if (manifest := self.manifests.get(f"i{self.number}/{kind}")) is not None:
                return manifest
        what = "D" if "select" in kinds else "M"
        raise BadInputError(
            f"{self.name} has no {what}({self.number}) yet (stage i{self.number}/{kinds[-1]} is "
            f"not committed): see `{command_line('status', *self.target.words)}`"
        )

    def facts(self) -> Facts:
        from isheep.export.facts import facts

        self.stage("select")
        return facts(self.target.run, self.number, self.manifests)


def _export_data(
    chosen: _Iteration,
    output: str,
    form: ExportFormat,
    file_type: ExportFileType | None,
    licence: str | None,
) -> None:
    from isheep.export.dataset_card import dataset_card
    from isheep.export.writers import json_lines

    lines = _lines(chosen, form)
    kind = file_type or ("jsonl" if is_folder(output) else _type_of(output))
    path = output_file(output, f"{DATA}.{kind}")
    if path is None:
        for line in json_lines(lines):
            sys.stdout.write(line)
        return
    count = _write(path, lines, kind)
    if not is_folder(output):
        typer.echo(f"{output}: {count} rows", err=True)
        return
    card = dataset_card(chosen.facts(), form, path.name, count, licence)
    (Path(output) / CARD).write_text(card, encoding="utf-8")
    typer.echo(f"{path}: {count} rows, and {CARD}", err=True)


def _export_model(chosen: _Iteration, output: str, licence: str | None) -> None:
    from isheep.export.facts import Base
    from isheep.export.model_card import model_card
    from isheep.export.model_files import write_model

    _check_folder(output, "a model has")
    merged = chosen.stage("merge", "train")
    train = chosen.stage("train")
    count = write_model(chosen.artifacts, merged, Path(output), Base.of_adapter(train))
    card = model_card(chosen.facts(), train, is_adapter=merged is train, licence=licence)
    (Path(output) / CARD).write_text(card, encoding="utf-8")
    typer.echo(f"{output}: {count} files and {CARD}", err=True)


def _export_evaluation(chosen: OpenRun, output: str) -> None:
    from isheep.cli.terminal.errors import BadInputError
    from isheep.export.evaluation_results import write_results
    from isheep.store.artifacts import ArtifactStore

    _check_folder(output, "the results have")
    artifacts = ArtifactStore(chosen.store, chosen.ref.namespace)
    count = write_results(artifacts, chosen.committed(), Path(output))
    if not count:
        raise BadInputError(
            f"{chosen.ref.name} has no results on benchmarks: add a benchmark with "
            "`isheep evaluate`"
        )
    typer.echo(f"{output}: {count} files", err=True)


def _check_folder(output: str, what: str) -> None:
    from isheep.cli.terminal.errors import BadInputError

    if output == PIPE or (Path(output).exists() and not Path(output).is_dir()):
        raise BadInputError(f"--output {output}: {what} several files; name a folder")


def _lines(chosen: _Iteration, form: ExportFormat) -> Lines:
    """Return the lines of the format, each with its provenance."""
    from isheep.export.registry import FORMATS
    from isheep.export.rows import rows_of

    manifest = chosen.stage("select")
    provenance = {
        "run": chosen.name,
        "iteration": chosen.number,
        "stage": manifest.stage.id,
        "key": manifest.key,
        "model": manifest.environment.model,
    }
    rows = rows_of(chosen.artifacts, manifest.key)

    def lines() -> Iterator[dict[str, Any]]:
        for example in FORMATS[form](rows):
            yield {**example.columns, "provenance": {**provenance, **example.ids}}

    return lines


def _type_of(output: str) -> ExportFileType:
    suffix = Path(output).suffix
    return "parquet" if suffix == ".parquet" else "json" if suffix == ".json" else "jsonl"


def _write(path: Path, lines: Lines, kind: ExportFileType) -> int:
    """Write a file that appears when it is complete; return the number of rows."""
    from isheep.export.writers import WRITERS
    from isheep.store.local_files import replacing

    with replacing(path) as temporary:
        return WRITERS[kind](temporary, lines)
