"""The check, before any stage runs, that a store honours `if_absent`.

Some S3 services accept `If-None-Match: *` and ignore it; some file systems do not support links. On
such a store two workers could both commit a stage without an error. So the check writes a random
key twice. The store must refuse the second write and keep the first object.
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
            f"{store.uri} lets a second writer replace an existing object (it ignores the "
            f"condition 'only if absent'), so two workers could commit the same stage. {remedy}"
        )
    info = store.head(key)
    if info is None or dict(info.metadata) != (metadata or {}):
        raise StoreConditionError(
            f"{store.uri} does not keep the metadata of an object, which contains the digests of "
            f"parts. {remedy}"
        )
