"""`isheep filter IN.jsonl -o OUT.jsonl`: the rules over anybody's data, a verdict a line.

The one verb that runs the worker's code in its own process: there is no stage, no store
and no model, and nothing that it imports imports torch (the floors hold that).
"""
# ruff: noqa: PLC0415  (a verb imports what it needs when it runs)

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from isheep.cli.errors import BadInputError

if TYPE_CHECKING:
    from isheep_worker.curation.filtering import Filter
    from isheep_worker.rules.interface import Drop

PIPE = "-"


def command(
    file: Annotated[
        str, typer.Argument(metavar="IN.jsonl", help="One JSON object a line, or - for stdin.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Where to: a file, or - for the terminal.")
    ],
    *,
    pool: Annotated[
        Path | None,
        typer.Option("--pool", metavar="FILE", help="Instructions that no line may repeat, too."),
    ] = None,
    rules: Annotated[
        str | None,
        typer.Option(
            "--rules",
            metavar="NAME,…",
            help=(
                "Rule sets (ISheep, SelfInstruct, Dromedary, None) and rules by name, in order; "
                "rouge and contamination are two of them [default: ISheep,rouge, with "
                "--decontaminate ISheep,contamination,rouge]."
            ),
        ),
    ] = None,
    max_rouge_l: Annotated[
        float,
        typer.Option("--max-rouge-l", min=0, max=1, help="rouge drops what is above this."),
    ] = 0.7,
    language: Annotated[
        str, typer.Option("--language", help="Rule sets leave out what assumes English elsewhere.")
    ] = "en",
    decontaminate: Annotated[
        list[Path] | None,
        typer.Option(
            "--decontaminate", metavar="FILE", help="A benchmark for contamination; repeatable."
        ),
    ] = None,
    ngram: Annotated[
        int, typer.Option("--ngram", min=4, max=64, help="Words in a row that tell a benchmark.")
    ] = 13,
) -> None:
    """Say of each line whether it would be kept, and if not, which rule drops it and why.

    A line has an instruction and, if it likes, an input and a response (or output). It is
    compared with the kept lines before it, and with the pool if one is given.
    """
    from isheep_worker.curation.filtering import lines_of, verdicts

    benchmarks = decontaminate or []
    chosen = _filter(_names(rules, bool(benchmarks)), language, max_rouge_l, benchmarks, ngram)
    if pool is not None:
        _extend(chosen, pool)
    if PIPE not in (file, output) and _same(Path(file), Path(output)):
        raise BadInputError(f"{output}: is the input; write the verdicts to another file")
    counts: Counter[str] = Counter()
    with _input(file) as stream, _output(output) as sink:
        for drop in verdicts(chosen, lines_of(stream)):
            counts[drop.rule if drop else ""] += 1
            sink.write(_line(drop))
    typer.echo(_summary(file, counts), err=True)


def _names(rules: str | None, decontaminates: bool) -> list[str]:
    from isheep_worker.curation.pool_rules import CONTAMINATION, ROUGE

    if rules is None:
        return ["ISheep", *([CONTAMINATION] if decontaminates else []), ROUGE]
    names = [name.strip() for name in rules.split(",")]
    if decontaminates and CONTAMINATION not in names:
        raise BadInputError(
            f"--decontaminate: --rules {rules} does not ask for it; add {CONTAMINATION} to --rules"
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
    """Yield where verdicts go; a file appears once it is whole."""
    from isheep.store.local_files import replacing

    if output == PIPE:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with replacing(Path(output)) as temporary, temporary.open("wb") as stream:
        yield stream


def _line(drop: Drop | None) -> bytes:
    verdict: dict[str, object] = {"kept": drop is None}
    if drop is not None:
        verdict |= {"rule": drop.rule, "detail": drop.detail}
    return json.dumps(verdict, ensure_ascii=False).encode() + b"\n"


def _summary(file: str, counts: Counter[str]) -> str:
    dropped = [(rule, count) for rule, count in counts.most_common() if rule]
    lines = [f"{file}: kept {counts['']} of {counts.total()} lines"]
    lines += [f"  {rule}: {count}" for rule, count in dropped]
    return "\n".join(lines)
