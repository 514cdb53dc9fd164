"""`isheep filter DATA -o OUT.jsonl`: apply the rules to any data; write a decision for each record.

This is the only command that runs code of the worker in its own process. It has no stage, no store
and no model, and its imports do not import torch (a test checks this).
"""
# ruff: noqa: PLC0415  (a command imports its modules when it runs)

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, get_args

import typer

from isheep.cli.arguments.outputs import PIPE, output_file
from isheep.cli.terminal.errors import BadInputError
from isheep.cli.terminal.text import printable
from isheep.contract.choices import (
    CONTAMINATION_NGRAM,
    LEAST_NGRAM,
    MAX_ROUGE_L,
    MOST_NGRAM,
    RuleSetName,
    Thinking,
)
from isheep.contract.language_mismatch import FIRST_CHARACTER, is_english, language_mismatch

if TYPE_CHECKING:
    from isheep_worker.curation.filtering import Filter
    from isheep_worker.rows.data_files import Record
    from isheep_worker.rules.interface import Drop

FILES = {"--output": "decisions.jsonl", "--kept": "kept.jsonl", "--dropped": "dropped.jsonl"}
"""The names of the outputs in a folder."""
TICK_SECONDS = 10.0
MAX_ID = 200


def command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Read this file: JSON Lines, a JSON list, CSV or Parquet, plain, .gz or .zst; "
            "- reads stdin.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="Write the decisions to this file; - writes stdout."),
    ],
    *,
    kept: Annotated[
        str | None,
        typer.Option(
            "--kept", metavar="FILE", help="Write the kept records to this file, as JSON Lines."
        ),
    ] = None,
    dropped: Annotated[
        str | None,
        typer.Option(
            "--dropped",
            metavar="FILE",
            help="Write the dropped records to this file, as JSON Lines; unreadable ones are left "
            "out.",
        ),
    ] = None,
    pool: Annotated[
        Path | None,
        typer.Option(
            "--pool", metavar="FILE", help="Drop records that repeat an instruction of this file."
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
            help="Set the language of the data; rule sets apply English rules to en only.",
        ),
    ] = "en",
    keep_thoughts: Annotated[
        bool,
        typer.Option(
            "--keep-thoughts",
            help="Allow a whole block of thoughts, such as <think>…</think>, before an answer; "
            "rules see the answer only.",
        ),
    ] = False,
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
    """Decide for each record whether the rules keep it, or which rule drops it and why.

    A record needs an instruction, in the columns of Alpaca, Self-Instruct, Dolly, TRL, ShareGPT or
    of a chat; input and response are optional. A record is compared with the kept records before
    it, and with the pool if there is one.
    """
    from isheep_worker.curation.filtering import decisions
    from isheep_worker.rows.records import RecordError
    from isheep_worker.rows.task_columns import TaskReader
    from isheep_worker.rules.drop_reasons import UNREADABLE

    benchmarks = decontaminate or []
    chosen = _filter(
        _names(rules, bool(benchmarks)),
        language,
        max_rouge_l,
        benchmarks,
        ngram,
        thinking="Keep" if keep_thoughts else None,
    )
    if pool is not None:
        _extend(chosen, pool)
    targets = _targets(file, {"--output": output, "--kept": kept, "--dropped": dropped})
    tally, tasks, ticker = _Tally(UNREADABLE.name), TaskReader(), _Ticker(file)
    with ExitStack() as files:
        stream = files.enter_context(_input(file))
        sinks = {name: files.enter_context(_output(path)) for name, path in targets.items()}
        try:
            for drop in decisions(chosen, tally.seen(_records(stream)), tasks):
                tally.count(drop)
                ticker.tick()
                sinks["--output"].write(tally.verdict(drop))
                sink = sinks.get("--kept" if drop is None else "--dropped")
                if sink is not None and tally.is_readable:
                    sink.write(tally.line())
        except RecordError as error:
            raise BadInputError(f"{file}: {error}") from error
        tally.check_any_is_readable(file)
    notes = [*tasks.notes(), *tally.language_notes(language)]
    typer.echo(tally.summary(file, notes), err=True)


class _Tally:
    """Counts the decisions, and holds the record that was read last."""

    def __init__(self, unreadable: str) -> None:
        self._unreadable = unreadable
        self._counts: Counter[str] = Counter()
        self._record: Record | None = None
        self._first_unreadable = ""
        self._not_ascii = 0

    def seen(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            self._record = record
            yield record

    def count(self, drop: Drop | None) -> None:
        self._counts[drop.rule if drop else ""] += 1
        if drop is not None and drop.rule == self._unreadable and not self._first_unreadable:
            self._first_unreadable = drop.detail
        if drop is not None and drop.rule == FIRST_CHARACTER:
            self._not_ascii += not drop.detail.isascii()

    @property
    def is_readable(self) -> bool:
        """Whether the last record has a value."""
        return self._record is not None and self._record.error is None

    def verdict(self, drop: Drop | None) -> bytes:
        """Return the decision on the last record as a line of JSON."""
        decision: dict[str, object] = {} if self._record is None else _place(self._record)
        decision["kept"] = drop is None
        if drop is not None:
            decision |= {"rule": drop.rule, "detail": drop.detail}
        return json.dumps(decision, ensure_ascii=False).encode() + b"\n"

    def line(self) -> bytes:
        """Return the last record as a line of JSON."""
        value = None if self._record is None else self._record.value
        # ASCII only: a column that no rule reads may contain half of a surrogate pair.
        return json.dumps(value, default=str).encode() + b"\n"

    def check_any_is_readable(self, file: str) -> None:
        """Raise `BadInputError` if the file has records and none of them can be read."""
        total = self._counts.total()
        if total and self._counts[self._unreadable] == total:
            raise BadInputError(
                f"{file}: none of the {total} records can be read; the first: "
                f"{self._first_unreadable}"
            )

    def language_notes(self, language: str) -> list[str]:
        """Return the sentence about a wrong language, if it applies to the records so far."""
        if not is_english(language):
            return []
        read = self._counts.total() - self._counts[self._unreadable]
        note = language_mismatch(self._not_ascii, read, "--language", exact=True)
        return [note] if note else []

    def summary(self, file: str, notes: Iterable[str]) -> str:
        dropped = [(rule, count) for rule, count in self._counts.most_common() if rule]
        lines = [f"{file}: kept {self._counts['']} of {self._counts.total()} records"]
        lines += [f"  {rule}: {count}" for rule, count in dropped]
        return "\n".join([*lines, *(f"  {printable(note)}" for note in notes)])


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
    names: list[str],
    language: str,
    max_rouge_l: float,
    benchmarks: list[Path],
    ngram: int,
    *,
    thinking: Thinking | None,
) -> Filter:
    from isheep_worker.curation.benchmark_files import read_benchmark_file
    from isheep_worker.curation.decontamination import BenchmarkError, Decontaminator
    from isheep_worker.curation.filtering import Filter, RuleNameError

    decontaminator = Decontaminator(ngram) if benchmarks else None
    try:
        if decontaminator is not None:
            for path in benchmarks:
                with path.open("rb") as stream:
                    decontaminator.add_benchmark(path.name, read_benchmark_file(stream, str(path)))
        return Filter(
            names,
            language=language,
            max_rouge_l=max_rouge_l,
            decontaminator=decontaminator,
            thinking=thinking,
        )
    except BenchmarkError as error:
        raise BadInputError(f"--decontaminate {error}") from error
    except RuleNameError as error:
        raise BadInputError(f"--rules: {error}") from error


def _extend(chosen: Filter, pool: Path) -> None:
    from isheep_worker.curation.filtering import read_pool
    from isheep_worker.rows.data_files import DataFile
    from isheep_worker.rows.records import RecordError

    try:
        with pool.open("rb") as stream:
            chosen.extend_pool(read_pool(DataFile(stream, str(pool)).records()))
    except RecordError as error:
        raise BadInputError(f"--pool {error}") from error


class _Ticker:
    """Writes to stderr how many records are read, from time to time."""

    def __init__(self, file: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._began = self._shown = clock()
        self._count = 0

    def tick(self) -> None:
        """Count a record."""
        self._count += 1
        now = self._clock()
        if now - self._shown < TICK_SECONDS:
            return
        self._shown = now
        speed = self._count / (now - self._began)
        typer.echo(f"{self._file}: {self._count:,} records, {speed:,.0f} records/s", err=True)


def _place(record: Record) -> dict[str, object]:
    """Return where a record is, and its id: its own, or its place."""
    value = record.value if isinstance(record.value, dict) else {}
    provenance = value.get("provenance")
    own = value.get("id", provenance.get("id") if isinstance(provenance, dict) else None)
    named = isinstance(own, str | int) and own != ""
    # A text may contain half of a surrogate pair, which UTF-8 cannot encode.
    id_ = str(own).encode(errors="replace").decode()[:MAX_ID] if named else record.label
    line = {} if record.line is None else {"line": record.line}
    return {**line, "id": id_}


def _targets(file: str, options: Mapping[str, str | None]) -> dict[str, Path | None]:
    """Return the file of each option, None for stdout; raise `BadInputError` if two are one."""
    found: dict[str, Path | None] = {}
    for option, output in options.items():
        if output is None:
            continue
        path = output_file(output, FILES[option])
        if path is not None and file != PIPE and _same(Path(file), path):
            raise BadInputError(f"{path}: is the input; write to another file")
        if any(path == other for other in found.values()):
            raise BadInputError(f"{option} {output}: another option writes there; name another")
        found[option] = path
    return found


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _records(stream: BinaryIO) -> Iterator[Record]:
    from isheep_worker.rows.data_files import DataFile

    # No name: the decisions name the place, and the message of the command names the file.
    yield from DataFile(stream, "").records()


@contextmanager
def _input(file: str) -> Iterator[BinaryIO]:
    if file == PIPE:
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as stream:
        yield stream


@contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    """Yield the stream of an output; a file appears after its last line is written."""
    from isheep.store.local_files import replacing

    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with replacing(path) as temporary, temporary.open("wb") as stream:
        yield stream
