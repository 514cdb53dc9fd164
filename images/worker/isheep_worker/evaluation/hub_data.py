"""The data set of a task on the hub, read once: what a task reads becomes files in the store.

Only prepare may use the network. So it records each split that a task reads, and later stages load
the task from these files, as they do for a user's own files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from isheep_worker.evaluation.data import DataSetName, TaskFiles
from isheep_worker.evaluation.harness import replaced

_NAME = "the data set of the hub"
_Read = dict[tuple[str, DataSetName], Any]
"""The rows of each split that tasks have read, by its path in its data set and the data set."""


def hub_files(load: Callable[[], object]) -> TaskFiles:
    """Return the splits that tasks read from the hub, as files of JSON Lines by subset and split.

    Args:
        load: Loads the tasks with the data sets of the hub; its errors are those of this function.
    """
    import datasets  # noqa: PLC0415 (heavy)

    original, read = datasets.load_dataset, _Read()

    def from_hub(
        path: str | None = None, name: str | None = None, **options: Any
    ) -> Mapping[str, Any]:
        splits = original(path=path, name=name, **options)
        return _Splits(splits, DataSetName.of(path, options), name, read)

    with replaced(datasets, "load_dataset", from_hub):
        load()
    # Data sets whose splits have the same path get folders of their own.
    counts = Counter(path for path, _ in read)
    return TaskFiles(
        _NAME,
        {
            path if counts[path] == 1 else f"{named.path}/{path}": _lines(rows)
            for (path, named), rows in sorted(read.items(), key=lambda one: str(one[0]))
        },
    )


class _Splits(dict[str, Any]):
    """The splits of a subset; those that a task reads are noted."""

    def __init__(
        self, splits: Mapping[str, Any], named: DataSetName, subset: str | None, read: _Read
    ) -> None:
        super().__init__(splits)
        self._named = named
        self._subset = subset
        self._noted = read

    def __getitem__(self, split: str) -> Any:
        rows = super().__getitem__(split)
        path = f"{self._subset}/{split}" if self._subset else split
        self._noted[f"{path}.jsonl", self._named] = rows
        return rows


def _lines(rows: Any) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows).encode()
