"""The file types of an export: JSON Lines, one JSON list, and Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from isheep.contract.choices import ExportFileType
from isheep.export.rows import ExportError

Lines = Callable[[], Iterator[dict[str, Any]]]
"""Makes the lines of an export; each call makes them again."""
_ROW_GROUP = 10_000


def json_lines(lines: Lines) -> Iterator[str]:
    """Yield each line as JSON with a newline."""
    for line in lines():
        yield json.dumps(line, ensure_ascii=False) + "\n"


def write_json_lines(path: Path, lines: Lines) -> int:
    """Write one JSON object a line; return the number of lines."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for text in json_lines(lines):
            file.write(text)
            count += 1
    return count


def write_json_list(path: Path, lines: Lines) -> int:
    """Write one JSON list with an item on each line; return the number of items."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for line in lines():
            file.write(",\n" if count else "\n")
            file.write(json.dumps(line, ensure_ascii=False))
            count += 1
        file.write("\n]\n")
    return count


def write_parquet(path: Path, lines: Lines) -> int:
    """Write a Parquet file; return the number of rows.

    The lines are made twice, because rows can have scores of different levels, and a Parquet file
    has one schema. Raises `ExportError` if pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: PLC0415 (optional)
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ExportError(
            "Parquet needs the package pyarrow, which is not installed; install isheep[data], or "
            "name a file that ends with .jsonl"
        ) from error
    tables = (pyarrow.Table.from_pylist(batch) for batch in _batches(lines))
    schemas = [table.schema for table in tables]
    if not schemas:
        raise ExportError("there is no row to write, and an empty Parquet file has no columns")
    schema = pyarrow.unify_schemas(schemas, promote_options="permissive")
    for name in _empty_structs(schema):
        schema = schema.remove(schema.get_field_index(name))
    count = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for batch in _batches(lines):
            rows = [{name: row[name] for name in schema.names if name in row} for row in batch]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


WRITERS: Mapping[ExportFileType, Callable[[Path, Lines], int]] = {
    "jsonl": write_json_lines,
    "json": write_json_list,
    "parquet": write_parquet,
}


def _batches(lines: Lines) -> Iterator[list[dict[str, Any]]]:
    left = lines()
    while batch := list(islice(left, _ROW_GROUP)):
        yield batch


def _empty_structs(schema: Any) -> list[str]:
    """Return the columns that Parquet cannot store: without scores, `scores` has no members."""
    return [field.name for field in schema if str(field.type) == "struct<>"]
