"""The texts of a benchmark in the file that a user names.

A benchmark is a data file, or a text file with one text a line. Every string of a record is a text,
at any depth, so a question, its choices and its answer are separate texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import PurePath
from typing import BinaryIO

from isheep_worker.curation.decontamination import BenchmarkError, read_benchmark, texts_of
from isheep_worker.rows.csv_files import csv_cells, delimiter_of
from isheep_worker.rows.data_files import DataFile
from isheep_worker.rows.records import RecordError

_PACKED = frozenset({".gz", ".zst", ".zstd"})
_JSON = frozenset({".json", ".jsonl", ".ndjson"})
_CSV = frozenset({".csv", ".tsv"})
_TEXT = ".txt"


def read_benchmark_file(
    stream: BinaryIO, source_name: str, limit: int | None = None
) -> Iterator[str]:
    """Yield the texts of a benchmark file.

    A file with the suffix `.txt` has one text a line. A file with a suffix of JSON has records. In
    a file with the suffix `.csv` or `.tsv`, each cell is a text; the first line may be a header.
    Without such a suffix, the content decides: a file without records has one text a line. Parquet,
    CSV and packed files are recognised by content.

    Args:
        stream: The file, at its start.
        source_name: The name of the file.
        limit: The largest unpacked size in bytes, or None.

    Yields:
        The texts in the order of the file.

    Raises:
        BenchmarkError: The file cannot be read, or a line is not UTF-8 or, in a JSON file, not
            JSON.
    """
    suffix = _suffix(source_name)
    try:
        data = DataFile(stream, source_name, limit)
        is_data = data.is_json or data.is_csv
        if suffix in _CSV and not (data.is_parquet or data.is_json):
            yield from _cells(data, source_name, suffix)
        elif data.is_parquet or suffix in _JSON or (suffix != _TEXT and is_data):
            for record in data.records():
                if not record.blank:
                    yield from texts_of(record.read())
        else:
            yield from read_benchmark(data.lines(), source_name)
    except RecordError as error:
        raise BenchmarkError(
            f"{error} (if each line of the file is a text, give it the suffix .txt)"
            if suffix in _JSON | _CSV
            else str(error)
        ) from error


def _cells(data: DataFile, source_name: str, suffix: str) -> Iterator[str]:
    """Yield the cells that are not blank, row by row."""
    lines = data.lines()
    first = next(lines, b"")
    delimiter = "\t" if suffix == ".tsv" else delimiter_of(first)
    rows = csv_cells(chain([first], lines), delimiter, f"{source_name}, ")
    for _, cells in rows:
        yield from (cell.strip() for cell in cells if cell.strip())


def _suffix(name: str) -> str:
    path = PurePath(name.lower())
    return (path.with_suffix("") if path.suffix in _PACKED else path).suffix
