"""`isheep export FILE --iteration N -o data.jsonl`: write D(t) for training libraries."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isheep.cli.options import RunFile, Store

if TYPE_CHECKING:
    from isheep.cli.target import Target


def command(
    file: RunFile,
    iteration: Annotated[
        int, typer.Option("--iteration", min=1, help="Export D(t) of iteration t.")
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Write to FILE; - is stdout."),
    ],
    store: Store = None,
) -> None:
    """Write D(t) as JSON Lines with prompt, completion, scores and provenance."""
    from isheep.cli.target import target

    lines = _lines(target(file, store), iteration)
    if output == "-":
        for line in lines:
            sys.stdout.write(line)
        return
    count = _write(Path(output), lines)
    typer.echo(f"{output}: {count} rows", err=True)


def _lines(chosen: Target, iteration: int) -> Iterator[str]:
    from isheep.cli.errors import BadInputError
    from isheep.store.artifacts import ArtifactStore

    metadata = chosen.run.metadata
    stage = f"i{iteration}/select"
    key = chosen.committed().get(stage)
    if key is None:
        raise BadInputError(
            f"{metadata.name} has no D({iteration}) yet (stage {stage} is not committed): "
            f"see `isheep status {chosen.file}`"
        )
    artifacts = ArtifactStore(chosen.store, metadata.namespace)
    manifest = artifacts.manifest(key)
    provenance = {
        "run": metadata.name,
        "iteration": iteration,
        "stage": stage,
        "key": key,
        "model": manifest.environment.model if manifest is not None else None,
    }
    for line in artifacts.read_lines(key):
        row = json.loads(line)
        if row["kept"]:
            yield json.dumps(_row(row, provenance), ensure_ascii=False) + "\n"


def _row(row: dict[str, Any], provenance: dict[str, Any]) -> dict[str, Any]:
    task = (row["instruction"], row["input"])
    return {
        "prompt": "\n".join(text for text in task if text),
        "completion": row["response"],
        "scores": row["scores"],
        "provenance": {**provenance, "id": row["id"]},
    }


def _write(path: Path, lines: Iterable[str]) -> int:
    """Write lines to a file that appears when it is complete; return the number of lines."""
    from isheep.store.local_files import replacing

    count = 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(line)
            count += 1
    return count
