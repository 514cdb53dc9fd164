"""The files with a benchmark's data, as the data sets that lm-eval's tasks read.

A benchmark's `storageUri` is one file with the items, or a folder with a file
`<subset>/<split>.<ext>` for each split that the task reads; a task without a subset reads
`<split>.<ext>`. The rows go to the task through a function that takes the place of
`datasets.load_dataset`. So a task's own settings stay as they are, nothing is written to a cache of
the hub, and the tasks of a group find their data by their own subset.

The tasks of some groups read data sets whose subsets and splits have the same names. Such a file is
in a folder with the name of its data set, and is refused without one: otherwise every task would be
evaluated on the items of one of them.
"""

from __future__ import annotations

import json
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
_CHOOSING = ("data_dir", "data_files", "revision")
"""The options of `load_dataset` that choose other rows."""


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """The data files of a benchmark.

    `name` is the location in messages. `files` has the content of each file by its path in the
    folder, or one file with its name if `is_folder` is False.
    """

    name: str
    files: Mapping[str, bytes]
    is_folder: bool = True


@dataclass(frozen=True, slots=True)
class DataSetName:
    """A data set of the hub as a task names it: its path, and the options that choose its rows."""

    path: str
    options: str = ""

    @staticmethod
    def of(path: str | None, options: Mapping[str, Any]) -> DataSetName:
        """Return the name in the arguments of `load_dataset`."""
        chosen = {name: options[name] for name in _CHOOSING if options.get(name) is not None}
        return DataSetName(
            str(path), json.dumps(chosen, sort_keys=True, default=str) if chosen else ""
        )

    def __str__(self) -> str:
        """Return the name for messages."""
        return f"{self.path} {self.options}".rstrip()


@dataclass
class TaskData:
    """The function that takes the place of `datasets.load_dataset`, and what it did not find.

    `split` is the split whose items are evaluated, or None if each task has its own; a single file
    needs it. `missing` gets the path of each file that a task has asked for and that does not
    exist. `readers` has the data set that tasks read from each file.
    """

    source: TaskFiles
    split: str | None = None
    missing: list[str] = field(default_factory=list)
    readers: dict[str, DataSetName] = field(default_factory=dict)

    @property
    def missing_items(self) -> list[str]:
        """The missing files with items, and not only with examples."""
        return [
            path
            for path in self.missing
            if self.split is None or path.rpartition("/")[2] == self.split
        ]

    def load(
        self, path: str | None = None, name: str | None = None, **options: Any
    ) -> Mapping[str, Any]:
        """Return the splits of a subset by name; the arguments are those of `load_dataset`."""
        return _Splits(self, DataSetName.of(path, options), name)

    def rows_of(self, named: DataSetName, subset: str | None, split: str) -> Any:
        """Return the data set of a split; it is empty if there is no file for it.

        Raises:
            BadInputError: The file has another format, or tasks read another data set from it.
        """
        if not self.source.is_folder:
            (content,) = self.source.files.values()
            self._note(self.source.name, named)
            found = data_set(content, self.source.name)
            return found if split == self.split else self._nothing(subset, split, found)
        wanted = f"{subset}/{split}" if subset else split
        for stem in (f"{named.path}/{wanted}", wanted):
            found = sorted(path for path in self.source.files if _stem(path) == stem)
            if len(found) > 1:
                raise BadInputError(
                    f"{self.source.name}: the files {' and '.join(found)} are all for {stem}; "
                    "keep one of them"
                )
            if found:
                self._note(found[0], named)
                return data_set(self.source.files[found[0]], f"{self.source.name}/{found[0]}")
        return self._nothing(subset, split, None)

    def _note(self, file: str, named: DataSetName) -> None:
        """Note who reads a file; raise `BadInputError` if it is another data set than before."""
        before = self.readers.setdefault(file, named)
        if before != named:
            raise BadInputError(
                f"{self.source.name}: tasks of the group read {file} as the data set {before} and "
                f"as the data set {named}: make each task a benchmark of its own, or put the files "
                f"of each data set into a folder with its name, such as {named.path}/{file}"
            )

    def _nothing(self, subset: str | None, split: str, like: Any) -> Any:
        import datasets  # noqa: PLC0415 (heavy)

        self.missing.append(f"{subset}/{split}" if subset else split)
        return datasets.Dataset.from_list([]) if like is None else like.select([])


class _Splits(dict[str, Any]):
    """The splits of a subset, of which each is read when a task asks for it."""

    def __init__(self, data: TaskData, named: DataSetName, subset: str | None) -> None:
        super().__init__()
        self._data = data
        self._named = named
        self._subset = subset

    def __missing__(self, split: str) -> Any:
        self[split] = self._data.rows_of(self._named, self._subset, split)
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
    except UnicodeEncodeError as error:
        raise BadInputError(
            f"{name}: a text holds half of a surrogate pair; remove it or write the whole character"
        ) from error
    except OverflowError as error:
        raise BadInputError(
            f"{name}: a whole number needs more than 64 bits; write it as a text"
        ) from error
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
