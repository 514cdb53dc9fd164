"""The data set of a task on the hub, read once: what a task reads becomes files in the store.

Only prepare may use the network. So it records each split that a task reads, and later stages load
the task from these files, as they do for a user's own files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.harness import replaced

_NAME = "the data set of the hub"


def hub_files(load: Callable[[], object]) -> TaskFiles:
    """Return the splits that tasks read from the hub, as files of JSON Lines by subset and split.

    Args:
        load: Loads the tasks with the data sets of the hub; its errors are those of this function.
    """
    import datasets  # noqa: PLC0415 (heavy)

    original, read = datasets.load_dataset, dict[str, Any]()

    def from_hub(
        path: str | None = None, name: str | None = None, **options: Any
    ) -> Mapping[str, Any]:
        return _Splits(original(path=path, name=name, **options), name, read)

    with replaced(datasets, "load_dataset", from_hub):
        load()
    return TaskFiles(_NAME, {path: _lines(rows) for path, rows in sorted(read.items())})


class _Splits(dict[str, Any]):
    """The splits of a subset; those that a task reads are noted."""

    def __init__(self, splits: Mapping[str, Any], subset: str | None, read: dict[str, Any]) -> None:
        super().__init__(splits)
        self._subset = subset
        self._noted = read

    def __getitem__(self, split: str) -> Any:
        rows = super().__getitem__(split)
        path = f"{self._subset}/{split}" if self._subset else split
        self._noted[f"{path}.jsonl"] = rows
        return rows


def _lines(rows: Any) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows).encode()
