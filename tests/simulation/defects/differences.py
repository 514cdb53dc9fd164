"""Whether a defect changes anything: digests of histories, without the texts for people.

The same seed gives the same history each time. So a defect that leaves the digest as it is has made
no difference in this seed, and no invariant could have found it there. Messages are left out, since
an invariant must not depend on words.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..history import History

TEXTS = ("message", "note")
"""The members of documents that only people read."""


def fingerprint(history: History) -> str:
    """Return a digest of all changes, commits and unexpected errors of a history."""
    digest = hashlib.sha256()
    for change in history.changes:
        place = [change.version, change.kind, change.path, round(change.at, 6)]
        digest.update(json.dumps([place, _silent(change.document)], sort_keys=True).encode())
    for commit in history.commits:
        digest.update(f"{commit.at:.6f} {commit.key} {commit.job} {commit.content}".encode())
    digest.update(repr((history.unexplained, history.errors)).encode())
    return digest.hexdigest()


def _silent(value: Any) -> Any:
    """Return a JSON value without the texts in it."""
    if isinstance(value, dict):
        return {name: _silent(one) for name, one in value.items() if name not in TEXTS}
    if isinstance(value, list | tuple):
        return [_silent(one) for one in value]
    return value
