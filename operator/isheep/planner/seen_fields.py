"""The user's spec as short digests, one for each field, for the question which fields have changed.

`status.resolved` has the whole spec once, with all defaults. To find the fields that an edit
changes, pinning needs no second copy of the user's spec, only a digest of each value that it
compares. An environment of 100 KB has one digest, because pinning compares lists as a whole.

The digests form the same tree of objects as the spec. A version that stored the spec itself can
therefore read them: to it, each value of the user differs, and it takes the value of the user.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

ONE_OF = ("seedTasks", "storage", "judge")
"""Objects with exactly one member: each is one value and is resolved as a whole."""

MARK = "$digests"
"""A key beside the fields of the spec, which no field can have; its value is the length of digests.

Without the key, the tree is a spec."""
DIGITS = 40
"""The length of a digest: 160 bits.

The author of a run chooses both values of an edit. With 48 bits, a search of minutes finds a value
that an admission policy refuses and one that it allows with the same digest. The run then keeps the
refused value, pinned while it was suspended, after an edit to the allowed one."""
EARLIER_DIGITS = 12
"""The length of digests of earlier versions, beside which the value of `MARK` is true."""


def field_digests(spec: Mapping[str, Any], digits: int = DIGITS) -> dict[str, Any]:
    """Return the digests of a user's spec, by field."""
    return {MARK: True if digits == EARLIER_DIGITS else digits, **_digests(spec, digits)}


def as_digests(seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored digests as they are, and the spec that an earlier version stored as digests."""
    return dict(seen) if MARK in seen else field_digests(seen)


def digests_like(seen: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the digests of a user's spec, as long as those of `seen`, so that they compare."""
    mark = seen[MARK]
    return field_digests(spec, EARLIER_DIGITS if mark is True else int(mark))


def _digests(fields: Mapping[str, Any], digits: int) -> dict[str, Any]:
    return {
        name: _digests(value, digits)
        if isinstance(value, Mapping) and name not in ONE_OF
        else _digest(value, digits)
        for name, value in fields.items()
        if value is not None
    }


def _digest(value: Any, digits: int) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
