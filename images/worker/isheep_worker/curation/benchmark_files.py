"""The texts of a benchmark in the file that a user names.

A benchmark is a data file, or a text file with one text a line. Every string of a record is a text,
at any depth, so a question, its choices and its answer are separate texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO

from isheep_worker.curation.decontamination import BenchmarkError, read_benchmark, texts_of
from isheep_worker.rows.data_files import DataFile
from isheep_worker.rows.records import RecordError

_PACKED = frozenset({".gz", ".zst", ".zstd"})
_JSON = frozenset({".json", ".jsonl", ".ndjson"})
_TEXT = ".txt"


def read_benchmark_file(
    stream: BinaryIO, source_name: str, limit: int | None = None
) -> Iterator[str]:
    """Yield the texts of a benchmark file.

    A file with the suffix `.txt` has one text a line. A file with a suffix of JSON has records.
    Without such a suffix, the content decides. Parquet and packed files are recognised by content.

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
        if data.is_parquet or suffix in _JSON or (suffix != _TEXT and data.is_json):
            for record in data.records():
                if not record.blank:
                    yield from texts_of(record.read())
        else:
            yield from read_benchmark(data.lines(), source_name)
    except RecordError as error:
        raise BenchmarkError(
            f"{error} (if each line of the file is a text, give it the suffix .txt)"
            if suffix in _JSON
            else str(error)
        ) from error


def _suffix(name: str) -> str:
    path = PurePath(name.lower())
    return (path.with_suffix("") if path.suffix in _PACKED else path).suffix
