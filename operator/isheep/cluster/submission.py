"""Creates a run on a cluster, or compares it with the run that has its name.

The API server fills in the defaults of a stored run, so a file cannot be compared with it. The
comparison therefore asks the API server what it would store (a dry run), and compares this.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isheep.cluster.client import Cluster, Document
from isheep.cluster.errors import AlreadyExistsError

ABSENT = "absent"
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Change:
    """A field of a run that another document changes; a value is its JSON text or `absent`."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field}: {_short(self.before)} → {_short(self.after)}"


@dataclass(frozen=True, slots=True)
class Submission:
    """What a submission found: `changes` is None if it has created the run.

    `wanted` is the document that replaces the run that exists.
    """

    changes: tuple[Change, ...] | None
    wanted: Document | None = None


def submit(cluster: Cluster, document: Document) -> Submission:
    """Create a run, or return how the document differs from the run with its name.

    Raises:
        ClusterError: The API server refuses the document.
        ClusterUnreachableError: The API server does not answer.
    """
    try:
        cluster.create(document)
    except AlreadyExistsError:
        found = cluster.get(document["metadata"]["name"])
        wanted = replacement(found, document)
        stored = cluster.replace(wanted, dry_run=True)
        return Submission(tuple(changes(found, stored)), wanted)
    return Submission(None)


def replacement(found: Document, document: Document) -> Document:
    """Return the document that gives a stored run another spec, and adds labels and annotations.

    Labels and annotations that only the stored run has remain: other programs may have set them.
    The resource version remains too, so that the API server refuses a concurrent change.
    """
    wanted = copy.deepcopy(found)
    wanted["spec"] = document["spec"]
    for field in ("labels", "annotations"):
        if given := document["metadata"].get(field):
            wanted["metadata"][field] = {**(wanted["metadata"].get(field) or {}), **given}
    return wanted


def changes(before: Document, after: Document) -> Iterator[Change]:
    """Yield the fields of spec, labels and annotations that differ, in alphabetical order."""
    yield from _differences(_compared(before), _compared(after), "")


def _compared(document: Document) -> dict[str, Any]:
    metadata = document["metadata"]
    held = {field: metadata.get(field) or {} for field in ("annotations", "labels")}
    return {"metadata": held, "spec": document["spec"]}


def _differences(before: Any, after: Any, path: str) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            inner = f"{path}.{name}" if path else str(name)
            yield from _differences(before.get(name, _NONE), after.get(name, _NONE), inner)
    elif before != after:
        yield Change(path, _text(before), _text(after))


_NONE = object()
"""Stands for an absent field, which is not the same as null."""


def _text(value: Any) -> str:
    return ABSENT if value is _NONE else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
