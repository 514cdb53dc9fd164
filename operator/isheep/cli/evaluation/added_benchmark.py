"""The benchmark that `isheep evaluate` adds to a run, and the spec of the run with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isheep.cli.terminal.errors import BadInputError
from isheep.contract.choices import BenchmarkFormat

FIELD = "spec.evaluation.benchmarks"
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")
_NAME_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class AddedBenchmark:
    """The options of the command; a value that is not given is None."""

    task: str
    name: str | None = None
    data: str | None = None
    limit: int | None = None
    few_shot: int | None = None
    prompt_format: BenchmarkFormat | None = None

    def fields(self) -> dict[str, Any]:
        """Return the item of `evaluation.benchmarks`.

        It has no `decontaminate`: its default, Report, trains nothing again.
        """
        found = {
            "name": self.name or default_name(self.task),
            "task": self.task,
            "storageUri": None if self.data is None else data_uri(self.data),
            "limit": self.limit,
            "numFewShot": self.few_shot,
            "promptFormat": self.prompt_format,
        }
        return {name: value for name, value in found.items() if value is not None}


def with_benchmark(spec: Mapping[str, Any], benchmark: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the benchmarks of a spec and the added one, which can be among them already.

    Raises:
        BadInputError: The spec has another benchmark with this name.
    """
    present: Sequence[Mapping[str, Any]] = (spec.get("evaluation") or {}).get("benchmarks") or ()
    benchmarks = [dict(one) for one in present]
    same = [one for one in benchmarks if one.get("name") == benchmark["name"]]
    if not same:
        return [*benchmarks, dict(benchmark)]
    if same[0] != benchmark:
        raise BadInputError(
            f"the run has another benchmark named {benchmark['name']}: choose another name with "
            "--name"
        )
    return benchmarks


def default_name(task: str) -> str:
    """Return the name of a benchmark of which the user gave only the task: `arc-easy`."""
    return _NOT_PLAIN.sub("-", task.lower()).strip("-")[:_NAME_CHARACTERS].strip("-")


def data_uri(data: str) -> str:
    """Return the URI of the data; raises `BadInputError` if it is a path without a file."""
    if "://" in data:
        return data
    path = Path(data).expanduser().absolute()
    if not path.exists():
        raise BadInputError(
            f"--data {data}: there is no such file or folder; correct the path, or give a URI such "
            "as s3://bucket/items.jsonl"
        )
    return f"file://{path}"
