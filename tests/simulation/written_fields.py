"""Changes of single fields in the documents of a history: does an invariant read the field?

A mutant of the source shows only what its seeds reach. A field that no invariant reads hides each
defect that makes this field wrong. So this module changes one field of one object in all versions,
or in one of them, and leaves the rest of the history as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from .api_server import Json
from .history import Final, History

Path = tuple[str | int, ...]
_OWN = re.compile(r"uid\d+|i\d+/.*")
"""Names of members that belong to one object, such as a pod."""


def fields_of(history: History, resource: str) -> dict[str, tuple[int, Path]]:
    """Return each kind of field in the documents of a resource, with its last change and path."""
    found: dict[str, tuple[int, Path]] = {}
    for number, change in enumerate(history.changes):
        if change.resource == resource and change.kind != "DELETED":
            for path in _leaves(change.document, ()):
                found[kind_of(path)] = (number, path)
    return found


def kind_of(path: Path) -> str:
    """Return a path without numbers and names of single objects."""
    return ".".join("*" if isinstance(p, int) or _OWN.fullmatch(p) else p for p in path)


def changed(history: History, number: int, path: Path, *, once: bool = False) -> History:
    """Return a history in which a field of the object of a change is another one.

    Args:
        history: The history.
        number: The change; the object is that of its document.
        path: The field.
        once: Whether only the document of this change is another one, and not all of the object.
    """
    uid = history.changes[number].document["metadata"]["uid"]
    made: dict[int, Json] = {}
    changes = []
    for at, change in enumerate(history.changes):
        document = change.document
        if document["metadata"]["uid"] == uid and (at == number or not once):
            made[id(document)] = document = _altered(document, path)
        before = None if change.before is None else made.get(id(change.before), change.before)
        changes.append(replace(change, document=document, before=before))
    final = tuple(
        Final(made.get(id(one.run), one.run), [made.get(id(job), job) for job in one.jobs])
        for one in history.final
    )
    return replace(history, changes=tuple(changes), final=final)


def _leaves(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(one, (*path, name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _leaves(one, (*path, number))
    else:
        yield path


def _altered(value: Any, path: Path) -> Any:
    """Return a copy of a JSON value in which the field of a path, if there is one, is changed."""
    if not path:
        return _other(value)
    first, rest = path[0], path[1:]
    if isinstance(value, dict) and first in value:
        return {**value, first: _altered(value[first], rest)}
    if isinstance(value, list) and isinstance(first, int) and first < len(value):
        return [*value[:first], _altered(value[first], rest), *value[first + 1 :]]
    return value


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 + 1
    try:
        later = datetime.fromisoformat(value) + timedelta(hours=1)
    except ValueError:
        return f"{value}x"
    return later.strftime("%Y-%m-%dT%H:%M:%SZ")
