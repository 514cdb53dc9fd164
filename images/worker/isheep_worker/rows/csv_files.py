"""Rows of a CSV or TSV file as records; the first line names the columns.

CSV has no mark of its format, so the names decide: a file is CSV only if its first line names a
column that holds a task. A cell may contain line breaks between quotes. An empty cell is an absent
column, because CSV has no null. `rows.task_columns` reads the JSON in a cell with messages.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from isheep_worker.rows.records import CONVERSATIONS, RecordError

TASK_COLUMNS = frozenset({"instruction", "prompt", *CONVERSATIONS})
MAX_CELL = 1 << 24
"""The most characters of a cell and bytes of a line, as of an item of a JSON list."""
_DELIMITERS = (",", "\t", ";")
_TRUTH = {"true": True, "false": False}
_BOOLEAN = "is_classification"


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns in their order, and the character between two cells."""

    names: tuple[str, ...]
    delimiter: str


def csv_header(line: bytes) -> Header | None:
    """Return the header in the first line of a file, or None if the file is not CSV."""
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return None
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([text], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = tuple(cell.strip() for cell in cells)
        if not TASK_COLUMNS.isdisjoint(names):
            return Header(names, delimiter)
    return None


def csv_rows(
    header: Header, lines: Iterator[bytes], where: str
) -> Iterator[tuple[int, dict[str, Any] | RecordError]]:
    """Yield the line at which each row begins, and its record or its error.

    Args:
        header: The header of the file.
        lines: The lines of the file from the header on.
        where: The beginning of a place in messages: the file's name and a comma, or nothing.

    Raises:
        RecordError: Two columns have one name, or the file is not CSV in UTF-8.
    """
    twice = sorted(name for name in set(header.names) if header.names.count(name) > 1)
    if twice:
        raise RecordError(
            f"{where}line 1: the column {twice[0]!r} is named twice; give each column one name"
        )
    rows = csv_cells(lines, header.delimiter, where)
    next(rows, None)
    for line, cells in rows:
        yield line, _record(header, cells, f"{where}line {line}")


def csv_cells(
    lines: Iterator[bytes], delimiter: str, where: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line at which each row begins, and its cells; skip blank lines.

    Raises `RecordError` if the file is not CSV in UTF-8; see `csv_rows` for the arguments.
    """
    reader = csv.reader(_decoded(lines, where), delimiter=delimiter, strict=True)
    line = 1
    try:
        while (cells := _next_row(reader)) is not None:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise RecordError(
            f"{where}line {line}: is not CSV ({error}); put a cell with quotes or line breaks "
            "between quotes, and write a quote in it twice"
        ) from error


def _next_row(reader: Iterator[list[str]]) -> list[str] | None:
    """Return the next row, or None at the end.

    The limit of a cell is one number for the whole process, which other libraries read as well, so
    it is set for one row only.
    """
    limit = csv.field_size_limit(MAX_CELL)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(limit)


def delimiter_of(line: bytes) -> str:
    """Return the delimiter that is the most frequent one in a line."""
    return max(_DELIMITERS, key=lambda delimiter: line.count(delimiter.encode()))


def _record(header: Header, cells: list[str], where: str) -> dict[str, Any] | RecordError:
    if len(cells) != len(header.names):
        return RecordError(
            f"{where}: the row has {len(cells)} cells, and the first line names "
            f"{len(header.names)} columns; put a cell with {header.delimiter!r} between quotes"
        )
    record: dict[str, Any] = {
        name: cell for name, cell in zip(header.names, cells, strict=True) if cell.strip()
    }
    truth = _TRUTH.get(str(record.get(_BOOLEAN, "")).strip().lower())
    return record if truth is None else record | {_BOOLEAN: truth}


def _decoded(lines: Iterator[bytes], where: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_CELL:
            raise RecordError(
                f"{where}line {number}: is longer than {MAX_CELL >> 20} MiB; split it or remove it"
            )
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RecordError(
                f"{where}line {number}: is not UTF-8; save the file as UTF-8"
            ) from error
