"""What a run would lose if it is started again with other `--set` values, or without them.

The values of `--set` are not in the file of the run. Somebody who starts the file again without
them would silently continue another run. So the values are compared with those of the last start.
A run that was started without `--set` has nothing to lose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isheep.api.reading.set_values import parse_path, value_at


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """A field with its value in the last start and its value now; None if it is absent."""

    field: str
    before: Any
    now: Any


def changed_values(
    stored: Mapping[str, Any],
    stored_spec: Mapping[str, Any],
    given: Mapping[str, Any],
    spec: Mapping[str, Any],
) -> list[ChangedValue]:
    """Return the set fields whose value changes, sorted by name.

    A field whose set value is now in the file does not change.

    Args:
        stored: The values of `--set` of the last start, by field.
        stored_spec: The spec of the last start, which contains them.
        given: The values of `--set` of this start, by field.
        spec: The spec of this start, which contains them.
    """
    if not stored:
        return []
    found = []
    for name in sorted({*stored, *given}):
        path = parse_path(name)[1:]
        change = ChangedValue(name, value_at(stored_spec, path), value_at(spec, path))
        if change.before != change.now:
            found.append(change)
    return found
