"""The proof, before any work, that a store keeps the promise everything stands on.

Some S3 services accept `If-None-Match: *` and ignore it; some file systems
have no links. On such a store two workers could both commit a stage, and
nobody would notice. So one random key is written twice, and the second write
must be refused and leave the first as it was.
"""

from __future__ import annotations

import secrets
from contextlib import suppress

from isheep.store.interface import ObjectStore, PutOutcome, StoreConditionError, StoreError


def probe_conditions(store: ObjectStore, *, remedy: str) -> None:
    """Raise `StoreConditionError` unless `store` honours `if_absent` and keeps metadata."""
    key = f"probe/{secrets.token_hex(16)}"
    try:
        for metadata in (None, {"writer": "first"}):
            _probe_key(store, key, metadata, remedy)
            store.delete(key)
    finally:
        with suppress(StoreError):
            store.delete(key)


def _probe_key(store: ObjectStore, key: str, metadata: dict[str, str] | None, remedy: str) -> None:
    first = store.put(key, b"first", if_absent=True, metadata=metadata)
    second = store.put(key, b"second", if_absent=True, metadata=metadata and {"writer": "second"})
    if (first, second) != (PutOutcome.WRITTEN, PutOutcome.EXISTED) or store.get(key) != b"first":
        raise StoreConditionError(
            f"{store.uri} lets a second writer replace an object that exists already (it ignores "
            f"the condition 'only if absent'), so two workers could commit one stage. {remedy}"
        )
    info = store.head(key)
    if info is None or dict(info.metadata) != (metadata or {}):
        raise StoreConditionError(
            f"{store.uri} does not keep the metadata of an object, in which the digests of parts "
            f"stand. {remedy}"
        )
