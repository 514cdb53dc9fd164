"""`isheep filter IN.jsonl -o OUT.jsonl`: apply the rules to any data and write a decision a line.

This is the only command that runs code of the worker in its own process. It has no stage, no store
and no model, and its imports do not import torch (a test checks this).
"""
# ruff: noqa: PLC0415  (a command imports its modules when it runs)

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, get_args

import typer

from isheep.cli.errors import BadInputError
from isheep.contract.choices import (
    CONTAMINATION_NGRAM,
    LEAST_NGRAM,
    MAX_ROUGE_L,
    MOST_NGRAM,
    RuleSetName,
)

if TYPE_CHECKING:
    from isheep_worker.curation.filtering import Filter
    from isheep_worker.rules.interface import Drop

PIPE = "-"


def command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="IN.jsonl", help="Read this file, one JSON object a line; - reads stdin."
        ),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="Write the decisions to this file; - writes stdout."),
    ],
    *,
    pool: Annotated[
        Path | None,
        typer.Option(
            "--pool", metavar="FILE", help="Drop lines that repeat an instruction of this file."
        ),
    ] = None,
    rules: Annotated[
        str | None,
        typer.Option(
            "--rules",
            metavar="NAME,…",
            help=(
                f"Apply these rule sets ({', '.join(get_args(RuleSetName))}) and rules, in this "
                "order. rouge-l drops repetitions, and contamination drops benchmark items "
                "[default: ISheep,rouge-l; with --decontaminate ISheep,contamination,rouge-l]."
            ),
        ),
    ] = None,
    max_rouge_l: Annotated[
        float,
        typer.Option(
            "--max-rouge-l",
            min=0,
            max=1,
            help="Drop instructions with a ROUGE-L F1 above this (rule rouge-l).",
        ),
    ] = MAX_ROUGE_L,
    language: Annotated[
        str,
        typer.Option(
            "--language",
            help="Set the language of the lines; rule sets apply English rules to en only.",
        ),
    ] = "en",
    decontaminate: Annotated[
        list[Path] | None,
        typer.Option(
            "--decontaminate",
            metavar="FILE",
            help="Drop items of this benchmark (rule contamination). Repeatable.",
        ),
    ] = None,
    ngram: Annotated[
        int,
        typer.Option(
            "--ngram",
            min=LEAST_NGRAM,
            max=MOST_NGRAM,
            help="Set the number of consecutive words shared with a benchmark that count as "
            "contamination.",
        ),
    ] = CONTAMINATION_NGRAM,
) -> None:
    """Decide for each line whether the rules keep it, or which rule drops it and why.

    Each line needs an instruction; input and response (or output) are optional. A line is compared
    with the kept lines before it, and with the pool if there is one.
    """
    from isheep_worker.curation.filtering import decisions, lines_of

    benchmarks = decontaminate or []
    chosen = _filter(_names(rules, bool(benchmarks)), language, max_rouge_l, benchmarks, ngram)
    if pool is not None:
        _extend(chosen, pool)
    if PIPE not in (file, output) and _same(Path(file), Path(output)):
        raise BadInputError(f"{output}: is the input; write the decisions to another file")
    counts: Counter[str] = Counter()
    with _input(file) as stream, _output(output) as sink:
        for drop in decisions(chosen, lines_of(stream)):
            counts[drop.rule if drop else ""] += 1
            sink.write(_line(drop))
    typer.echo(_summary(file, counts), err=True)


def _names(rules: str | None, decontaminates: bool) -> list[str]:
    from isheep_worker.rules.drop_reasons import CONTAMINATION, ROUGE_L

    contamination = CONTAMINATION.name
    if rules is None:
        return ["ISheep", *([contamination] if decontaminates else []), ROUGE_L.name]
    names = [name.strip() for name in rules.split(",")]
    if decontaminates and contamination not in names:
        raise BadInputError(
            f"--decontaminate: --rules {rules} does not contain {contamination}; add it to --rules"
        )
    return names


def _filter(
    names: list[str], language: str, max_rouge_l: float, benchmarks: list[Path], ngram: int
) -> Filter:
    from isheep_worker.curation.decontamination import (
        BenchmarkError,
        Decontaminator,
        read_benchmark,
    )
    from isheep_worker.curation.filtering import Filter, RuleNameError

    decontaminator = Decontaminator(ngram) if benchmarks else None
    try:
        if decontaminator is not None:
            for path in benchmarks:
                with path.open("rb") as stream:
                    decontaminator.add_benchmark(path.name, read_benchmark(stream, str(path)))
        return Filter(
            names, language=language, max_rouge_l=max_rouge_l, decontaminator=decontaminator
        )
    except BenchmarkError as error:
        raise BadInputError(f"--decontaminate {error}") from error
    except RuleNameError as error:
        raise BadInputError(f"--rules: {error}") from error


def _extend(chosen: Filter, pool: Path) -> None:
    from isheep_worker.curation.filtering import lines_of, read_pool
    from isheep_worker.rows.records import RecordError

    try:
        with pool.open("rb") as stream:
            chosen.extend_pool(read_pool(lines_of(stream), str(pool)))
    except RecordError as error:
        raise BadInputError(f"--pool {error}") from error


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


@contextmanager
def _input(file: str) -> Iterator[BinaryIO]:
    if file == PIPE:
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as stream:
        yield stream


@contextmanager
def _output(output: str) -> Iterator[BinaryIO]:
    """Yield the stream for the decisions; a file appears after the last decision is written."""
    from isheep.store.local_files import replacing

    if output == PIPE:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with replacing(Path(output)) as temporary, temporary.open("wb") as stream:
        yield stream


def _line(drop: Drop | None) -> bytes:
    decision: dict[str, object] = {"kept": drop is None}
    if drop is not None:
        decision |= {"rule": drop.rule, "detail": drop.detail}
    return json.dumps(decision, ensure_ascii=False).encode() + b"\n"


def _summary(file: str, counts: Counter[str]) -> str:
    dropped = [(rule, count) for rule, count in counts.most_common() if rule]
    lines = [f"{file}: kept {counts['']} of {counts.total()} lines"]
    lines += [f"  {rule}: {count}" for rule, count in dropped]
    return "\n".join(lines)
