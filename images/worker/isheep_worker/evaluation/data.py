"""The files with a benchmark's data, as the data sets that lm-eval's tasks read.

A benchmark's `storageUri` is one file with the items, or a folder with a file
`<subset>/<split>.<ext>` for each split that the task reads; a task without a subset reads
`<split>.<ext>`. The rows go to the task through a function that takes the place of
`datasets.load_dataset`. So a task's own settings stay as they are, nothing is written to a cache of
the hub, and the tasks of a group find their data by their own subset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from isheep_worker.rows.data_files import open_bytes
from isheep_worker.rows.records import RecordError
from isheep_worker.runtime.error_texts import first_line
from isheep_worker.runtime.errors import BadInputError

MAX_UNPACKED_BYTES = 1 << 30
_PACKED = frozenset({".gz", ".zst", ".zstd"})
_FORMATS = "JSON Lines, JSON or Parquet"


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """The data files of a benchmark.

    `name` is the location in messages. `files` has the content of each file by its path in the
    folder, or one file with its name if `is_folder` is False.
    """

    name: str
    files: Mapping[str, bytes]
    is_folder: bool = True


@dataclass
class TaskData:
    """The function that takes the place of `datasets.load_dataset`, and what it did not find.

    `split` is the split whose items are evaluated, or None if each task has its own; a single file
    needs it. `missing` gets the path of each file that a task has asked for and that does not
    exist.
    """

    source: TaskFiles
    split: str | None = None
    missing: list[str] = field(default_factory=list)

    @property
    def missing_items(self) -> list[str]:
        """The missing files with items, and not only with examples."""
        return [
            path
            for path in self.missing
            if self.split is None or path.rpartition("/")[2] == self.split
        ]

    def load(self, path: str | None = None, name: str | None = None, **_: Any) -> Mapping[str, Any]:
        """Return the splits of a subset by name; the arguments are those of `load_dataset`."""
        del path
        return _Splits(self, name)

    def rows_of(self, subset: str | None, split: str) -> Any:
        """Return the data set of a split; it is empty if there is no file for it."""
        if not self.source.is_folder:
            (content,) = self.source.files.values()
            found = data_set(content, self.source.name)
            return found if split == self.split else self._nothing(subset, split, found)
        wanted = f"{subset}/{split}" if subset else split
        for path, content in sorted(self.source.files.items()):
            if _stem(path) == wanted:
                return data_set(content, f"{self.source.name}/{path}")
        return self._nothing(subset, split, None)

    def _nothing(self, subset: str | None, split: str, like: Any) -> Any:
        import datasets  # noqa: PLC0415 (heavy)

        self.missing.append(f"{subset}/{split}" if subset else split)
        return datasets.Dataset.from_list([]) if like is None else like.select([])


class _Splits(dict[str, Any]):
    """The splits of a subset, of which each is read when a task asks for it."""

    def __init__(self, data: TaskData, subset: str | None) -> None:
        super().__init__()
        self._data = data
        self._subset = subset

    def __missing__(self, split: str) -> Any:
        self[split] = self._data.rows_of(self._subset, split)
        return self[split]


def data_set(content: bytes, name: str) -> Any:
    """Return the rows of a file as a data set of Hugging Face, in memory.

    Raises:
        BadInputError: The file has another format, no rows, or rows whose fields differ in type.
    """
    import datasets  # noqa: PLC0415 (heavy)
    import pyarrow  # noqa: PLC0415

    rows = _rows(content, name)
    # Only the keys of the first row would become columns.
    columns = list(dict.fromkeys(key for row in rows for key in row))
    try:
        return datasets.Dataset.from_list([{key: row.get(key) for key in columns} for row in rows])
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise BadInputError(
            f"{name}: a field has values of different types in different rows; give each field one "
            f"type ({type(error).__name__})"
        ) from error


def _rows(content: bytes, name: str) -> Sequence[Mapping[str, Any]]:
    try:
        file = open_bytes(content, name, MAX_UNPACKED_BYTES)
        if file.is_csv or not (file.is_json or file.is_parquet):
            # In CSV, a number is a text. Tasks compare labels with numbers.
            raise BadInputError(f"{name}: is not {_FORMATS}; write the benchmark in such a format")
        rows = [record.object() for record in file.records() if not record.blank]
    except RecordError as error:
        raise BadInputError(first_line(str(error))) from error
    if not rows:
        raise BadInputError(f"{name}: has no rows; write the items of the benchmark into it")
    return rows


def _stem(path: str) -> str:
    """Return a path without the suffixes of its format and of its compression."""
    pure = PurePosixPath(path)
    if pure.suffix in _PACKED:
        pure = pure.with_suffix("")
    return str(pure.with_suffix(""))
